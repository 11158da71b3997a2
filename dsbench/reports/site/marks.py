"""Change points of a case's series, as marks on its page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from dsbench.metrics import Metric
from dsbench.reports import units
from dsbench.reports.site.files import by_run, rows_of
from dsbench.reports.site.inputs import Stored

if TYPE_CHECKING:
    from dsbench.stats.changes import Change

LOOKED = 200
"""Newest runs of a place in which change points are looked for."""

ALWAYS = 200
"""Cases of a build up to which all of them are looked at again with every new run; more of them take turns,
which keeps a build after one commit short. What moved just now is on the landing page."""

EVERY, TURNS = 10, 2
"""With every tenth run of a place half of the cases have their turn, so that each has one in twenty runs. The
library that looks for changes takes as long to import as a quarter of 1,000 cases takes to look at."""

EVERY_TURN = frozenset(range(TURNS))


def due(runs: int, before: int, touched: int) -> frozenset[int]:
    """The turns that have come, now that a place has so many runs and had as many before."""
    if not before or touched <= ALWAYS:
        return EVERY_TURN
    return frozenset(turn % TURNS for turn in range(before // EVERY, runs // EVERY))


def turn_of(identity: str) -> int:
    """The turn of the case with this id."""
    return int(identity[0], 16) % TURNS


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
        there = list(islice((run for run in reversed(runs) if run.opening in known), LOOKED))[::-1]
        rows = rows_of([known[run.opening] for run in there])
        series: dict[int, list[tuple[Stored, float]]] = {}
        for run, (_, version, flat, _) in zip(there, rows, strict=True):
            if version == rows[-1][1]:  # another version is another series
                for number, value in zip(flat[::4], flat[1::4], strict=True):
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
