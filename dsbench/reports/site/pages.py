"""The pages themselves: one template, a script each, one style, and plotly's own script beside them."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

PAGES = {
    "index": "What changed",
    "case": "Case",
    "compare": "Compare",
    "pareto": "Pareto",
    "machines": "Machines",
    "leaks": "Leaks and memory",
    "load": "Load",
}
"""The pages: what each is called."""

SHARED = ("base.js", "format.js", "parts.js", "plots.js", "runs.js", "site.css")
"""What all of them load."""


def write_pages(site: Path) -> None:
    """Writes everything of a site that does not depend on what was measured."""
    static = files("dsbench.reports.site") / "static"
    template = Template((static / "page.html").read_text(encoding="utf-8"))
    for name, title in PAGES.items():
        (site / f"{name}.html").write_text(template.substitute(name=name, title=title), encoding="utf-8")
        (site / f"{name}.js").write_bytes((static / f"{name}.js").read_bytes())
    for name in SHARED:
        (site / name).write_bytes((static / name).read_bytes())
    # Found without being imported, which would take longer than the rest; its licence stands at its head.
    plotly = find_spec("plotly")
    assert plotly is not None  # dsbench depends on it
    assert plotly.origin is not None
    script = Path(plotly.origin).parent / "package_data" / "plotly.min.js"
    (site / "plotly.min.js").write_bytes(script.read_bytes())
