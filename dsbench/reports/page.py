"""A run as one HTML page that needs nothing else: no network, no file beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from string import Template

from plotly.io import to_json
from plotly.offline import get_plotlyjs

from dsbench.gate import Verdict
from dsbench.records import Run
from dsbench.reports import sections
from dsbench.reports.figures import Figure, figures
from dsbench.reports.rows import groups
from dsbench.reports.sections import escape


def html(
    run: Run, verdicts: Iterable[Verdict] = (), difference: Mapping[str, tuple[str, str]] | None = None
) -> str:
    """The page: what was measured where, what to mind, verdicts if there are any, a table and figures a
    benchmark, failures, environment and settings.

    Its security policy lets only the page's own two scripts run and forbids every request, so that
    text from a run can do no harm even if it should escape from its place.

    Args:
        run: what is shown.
        verdicts: what the gate said of it.
        difference: facts that differ from the environment it was judged against: (before, after).
    """
    found = groups(run)
    drawn = [figures(group) for group in found]
    body = [sections.head(run, found), sections.verdicts(verdicts, difference or {})]
    number = 0
    for index, (group, pictures) in enumerate(zip(found, drawn, strict=True)):
        body += [
            f'<section id="b{index}">',
            sections.benchmark(group),
            sections.repeats(run, group),
            _places(pictures, number),
            "</section>",
        ]
        number += len(pictures)
    body += [sections.failures(run), sections.environment(run), sections.settings(run)]
    plotly, script = get_plotlyjs(), _part("page.js")
    return Template(_part("page.html")).substitute(
        hashes=f"{_hash(plotly)} {_hash(script)}",
        title=escape(f"dsbench {run.id}"),
        css=_part("page.css"),
        body="\n".join(part for part in body if part),
        figures=_data([picture for pictures in drawn for picture in pictures]),
        plotly=plotly,
        script=script,
    )


def _places(pictures: Sequence[Figure], first: int) -> str:
    places = [
        f'<figure><h3>{escape(picture.title)}</h3><div class="plot" data-figure="{number}"></div></figure>'
        for number, picture in enumerate(pictures, start=first)
    ]
    return f'<div class="figures">{"".join(places)}</div>' if places else ""


def _data(pictures: Iterable[Figure]) -> str:
    rows = [json.loads(to_json(picture.figure)) for picture in pictures]
    # Without a "<", nothing in the data can end the element that holds it.
    return json.dumps(rows, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _part(name: str) -> str:
    return files("dsbench.reports").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
