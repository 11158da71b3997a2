"""Reports: functions from records to text, Markdown, JSON, CSV, figures and HTML.

Each format lives in a module of its own that is imported when it is asked for, since pandas and plotly
take longer to import than most reports take to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dsbench.records import Run

if TYPE_CHECKING:
    from dsbench.gate import Judged, Verdict
    from dsbench.reports.kernels import Comparison

FORMATS = ("table", "json", "csv", "markdown", "html")
"""What `render` can make of a run."""

VERDICT_FORMATS = ("table", "json", "markdown", "junit", "github")
"""What `render_verdicts` can make of verdicts."""


def render(run: Run, style: str) -> str:
    """A run in one of `FORMATS`.

    Raises:
        ValueError: there is no such format, or the format cannot hold one of the numbers.
    """
    match style:
        case "table":
            from dsbench.reports.table import table

            return table(run)
        case "json":
            from dsbench.reports.as_json import run_json

            return run_json(run)
        case "csv":
            from dsbench.reports.as_csv import run_csv

            return run_csv(run)
        case "markdown":
            from dsbench.reports.markdown import markdown

            return markdown(run)
        case "html":
            from dsbench.reports.page import html

            return html(run)
    raise ValueError(f"no format '{style}' for a run; use one of {', '.join(FORMATS)}")


def render_verdicts(
    verdicts: Iterable[Verdict],
    style: str,
    *,
    exit_code: int,
    difference: Mapping[str, tuple[str, str]] | None = None,
    verbose: bool = False,
    kernels: Comparison | None = None,
    judged: Judged | None = None,
) -> str:
    """Verdicts in one of `VERDICT_FORMATS`.

    Args:
        verdicts: what the gate said.
        style: one of `VERDICT_FORMATS`.
        exit_code: what the gate exits with; the JSON document repeats it.
        difference: facts of the two environments that differ, by name: (before, after).
        verbose: whether the table shows the verdicts that are the same too.
        kernels: what changed between the runs' profiles, if both have some.
        judged: what the verdicts are of; the JSON document says so.

    Raises:
        ValueError: there is no such format, or the format cannot hold one of the numbers.
    """
    match style:
        case "table":
            from dsbench.reports.verdicts import verdicts_text

            return verdicts_text(verdicts, difference, verbose, kernels)
        case "json":
            from dsbench.reports.as_json import verdicts_json

            return verdicts_json(verdicts, exit_code, difference, kernels, judged)
        case "markdown":
            from dsbench.reports.markdown import verdicts_markdown

            return verdicts_markdown(verdicts, difference, kernels)
        case "junit":
            from dsbench.reports.as_junit import verdicts_junit

            return verdicts_junit(verdicts, strict=exit_code == 5)
        case "github":
            from dsbench.reports.as_annotations import verdicts_annotations

            return verdicts_annotations(verdicts)
    raise ValueError(f"no format '{style}' for verdicts; use one of {', '.join(VERDICT_FORMATS)}")
