"""What changed in the history, and when: changes of many series, put together to events; and what looks as if
it had changed just now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dsbench.history import Point, Series
from dsbench.metrics import METRICS
from dsbench.stats.changes import LEAST, Change, changes
from dsbench.stats.intervals import Estimate
from dsbench.stats.suspects import suspect


@dataclass(frozen=True)
class Shift:
    """A change of one series. It came with a commit after that of `last_before`, and no later than that of
    `first_after`, with 95 %; `point` is the likeliest. Commits without a number lie between them, too."""

    series: Series
    change: Change
    last_before: Point
    point: Point
    first_after: Point

    @property
    def worse(self) -> bool:
        return is_worse(self.series, self.change.size.value)


@dataclass(frozen=True)
class Event:
    """The shifts that one commit may explain, surest first; that of the surest stands for all."""

    shifts: tuple[Shift, ...]

    @property
    def commit(self) -> str:
        return self.shifts[0].point.commit

    @property
    def commit_time(self) -> float:
        return self.shifts[0].point.commit_time


@dataclass(frozen=True)
class Suspicion:
    """The newest points of a series, from `point` on, look `size` (0.05 is 5 % more) away from what was
    before: to be measured again, no alarm."""

    series: Series
    point: Point
    size: float

    @property
    def worse(self) -> bool:
        return is_worse(self.series, self.size)


Key = tuple[str, str, str, str, int, str, str]


def key(series: Series) -> Key:
    """What tells a series from every other."""
    case = series.case
    where = series.machine, series.environment, series.device
    return *where, case.name, case.version, series.metric, series.reference


def is_worse(series: Series, size: float) -> bool:
    """Whether a relative change is for the worse in the metric's direction."""
    return (size > 0) == (METRICS[series.metric].direction == "lower")


def find_shifts(series: Series, least: float | None = None) -> list[Shift]:
    """The changes of one series, oldest first. Points without a number are passed over.

    Args:
        series: points by the time of their commit.
        least: the smallest relative change that counts; by default the metric's tolerance where it is
            deterministic, else `LEAST`.
    """
    points, values = _numbers(series)
    return [
        Shift(series, change, points[change.earliest - 1], points[change.index], points[change.latest])
        for change in changes(values, _least(series, least))
    ]


def find_events(series: Iterable[Series], least: float | None = None) -> list[Event]:
    """What moved together, newest first: shifts whose ranges of commits hold the commit of the surest one.

    Series of different machines may share an event: what a commit does, it mostly does to all of them.
    """
    found = [shift for one in series for shift in find_shifts(one, least)]
    groups: list[list[Shift]] = []
    for shift in sorted(found, key=lambda shift: (shift.change.chance, shift.point.commit_time)):
        for group in groups:
            if _may_come_from(shift, group[0].point):
                group.append(shift)
                break
        else:
            groups.append([shift])
    return sorted((Event(tuple(group)) for group in groups), key=lambda event: -event.commit_time)


def suspects(series: Iterable[Series], least: float | None = None) -> list[Suspicion]:
    """The series whose newest points look as if the level had changed, those for the worse first and the
    larger first."""
    found = []
    for one in series:
        points, values = _numbers(one)
        if points and points[-1] is one.points[-1] and (seen := suspect(values, _least(one, least))):
            found.append(Suspicion(one, points[seen.index], seen.size))
    return sorted(found, key=lambda suspicion: (not suspicion.worse, -abs(suspicion.size)))


def size_of(shift: Shift) -> Estimate | None:
    """The relative change, None where a level is zero or below and there is no ratio."""
    positive = min(shift.change.before, shift.change.after) > 0
    return shift.change.size if positive else None


def _may_come_from(shift: Shift, point: Point) -> bool:
    return shift.last_before.commit_time < point.commit_time <= shift.first_after.commit_time


def _numbers(series: Series) -> tuple[list[Point], list[float]]:
    known = [(point, point.estimate.value) for point in series.points if point.estimate is not None]
    return [point for point, _ in known], [value for _, value in known]


def _least(series: Series, least: float | None) -> float:
    if least is not None:
        return least
    return METRICS[series.metric].tolerance or LEAST
