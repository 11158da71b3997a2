"""Change points of a case's series, as marks on its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dsbench.metrics import Metric
from dsbench.reports import units
from dsbench.reports.site.files import by_run, points_of
from dsbench.reports.site.inputs import Stored

if TYPE_CHECKING:
    from dsbench.stats.changes import Change

LOOKED = 200
"""Newest runs of a place in which change points are looked for."""

ALWAYS = 200
"""Cases of a build up to which all of them are looked at again with every new run; more of them are with
every `EVERY`th, which keeps a build after one commit short. What moved just now is on the landing page."""

EVERY = 20


def due(runs: int, before: int, touched: int) -> bool:
    """Whether cases are to be looked at again, now that a place has so many runs and had as many before."""
    return not before or touched <= ALWAYS or runs // EVERY != before // EVERY


def marks(
    lines: Sequence[str], places: Sequence[Sequence[Stored]], metrics: Sequence[Metric]
) -> list[dict[str, Any]]:
    """The changes of each metric of a case at each place, as the number of a run and a text.

    Args:
        lines: those of the case's file.
        places: the runs of each place that is looked at, by the time of their commits.
        metrics: in the order of their numbers.
    """
    from dsbench.stats.changes import LEAST, changes  # most builds look for none, and need not import it

    known = by_run(lines)
    found: list[dict[str, Any]] = []
    for runs in places:
        there = [run for run in runs if run.digits in known][-LOOKED:]
        points = points_of([known[run.digits] for run in there])
        series: dict[int, list[tuple[Stored, float]]] = {}
        for run, point in zip(there, points, strict=True):
            if point.version == points[-1].version:  # another version is another series
                for number, (value, _, _) in point.metrics.items():
                    if value is not None:
                        series.setdefault(number, []).append((run, value))
        for number, some in series.items():
            metric = metrics[number]
            for change in changes([value for _, value in some], metric.tolerance or LEAST):
                before = some[change.earliest - 1][0]
                found.append({"run": some[change.index][0].number, "text": _told(metric, change, before)})
    return found


def _told(metric: Metric, change: Change, before: Stored) -> str:
    size = f" {units.change(change.size)}" if min(change.before, change.after) > 0 else ""
    return f"{metric.name.replace('_', ' ')}{size}, after {before.commit[:8]}"
