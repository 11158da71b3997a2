"""Change points of a case's series, as marks on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsbench.changes import find_shifts, size_of
from dsbench.history import Point, Series
from dsbench.metrics import Metric
from dsbench.records import Case, Status
from dsbench.reports import units
from dsbench.reports.site.files import number_of, point_of
from dsbench.reports.site.inputs import Stored
from dsbench.stats.changes import LEAST
from dsbench.stats.intervals import Estimate

LOOKED = 200
"""Newest runs of a place in which change points are looked for."""

ALWAYS = 200
"""Cases of a build up to which all of them are looked at again with every new run; of more, each with every
`EVERY`th, in turns, which keeps a build after one commit short."""

EVERY = 10


def due(identity: str, lines: int, touched: int) -> bool:
    """Whether a case is to be looked at again, now that it has so many lines."""
    return touched <= ALWAYS or (int(identity[:6], 16) + lines) % EVERY == 0


def marks(
    case: Case, lines: Sequence[str], runs: Sequence[Stored], metrics: Sequence[Metric]
) -> list[dict[str, Any]]:
    """The changes of each metric of a case at each place, as the number of a run and a text.

    Args:
        case: whose version is looked at.
        lines: those of its file.
        runs: all of the site, by the time of their commits.
        metrics: in the order of their numbers.
    """
    known = {number_of(line): line for line in lines}
    places: dict[tuple[str, str, str], list[Stored]] = {}
    for run in runs:
        if run.number in known:
            places.setdefault(run.place, []).append(run)
    least = {metric.name: metric.tolerance or LEAST for metric in metrics}
    found: list[dict[str, Any]] = []
    for place, there in places.items():
        series = _series(case, place, there[-LOOKED:], known, metrics)
        found += [
            {"run": int(shift.point.run), "text": _told(one.metric, size_of(shift), shift.last_before)}
            for one in series
            for shift in find_shifts(one, least[one.metric])
        ]
    return found


def _series(
    case: Case,
    place: tuple[str, str, str],
    runs: Sequence[Stored],
    known: Mapping[int, str],
    metrics: Sequence[Metric],
) -> list[Series]:
    points: dict[int, list[Point]] = {}
    for run in runs:
        here = point_of(known[run.number])
        if here.version != case.version:
            continue
        for number, ends in here.metrics.items():
            point = Point(run.commit, run.time, Estimate(*ends), Status.OK, "", str(run.number))
            points.setdefault(number, []).append(point)
    return [Series(*place, case, metrics[number].name, tuple(some)) for number, some in points.items()]


def _told(metric: str, size: Estimate | None, before: Point) -> str:
    change = "" if size is None else f" {units.change(size)}"
    return f"{metric.replace('_', ' ')}{change}, after {before.commit[:8]}"
