"""What a run is held against: its history, before the gate judges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from dsbench.gate import usual_change
from dsbench.metrics import REFERENCE, evaluate
from dsbench.records import Measurement, Run, Status
from dsbench.registry import select

T = TypeVar("T")

LOOKED_BACK = 100
"""Runs that are looked at to find those that are green; the oldest of them has nothing to be held against."""


def same_place(one: Run, other: Run) -> bool:
    """Whether two runs are of the same machine, environment and device, so that they share series."""
    return (one.environment.machine, one.environment.name, one.environment.device.name) == (
        other.environment.machine,
        other.environment.name,
        other.environment.device.name,
    )


def earlier(recorded: Iterable[Run], new: Run) -> list[Run]:
    """The recorded runs of the same place that come before a run, oldest first. When that run has no
    commit of its own, or differs from it, all of them do."""
    return [run for run in recorded if same_place(run, new) and _comes_before(run, new)]


def _comes_before(run: Run, new: Run) -> bool:
    mine, theirs = new.environment, run.environment
    if mine.commit is None or mine.commit_time is None:
        return True
    if theirs.commit == mine.commit:
        return mine.dirty
    return (theirs.commit_time or 0.0) <= mine.commit_time


def expected(before: Iterable[Measurement], new: Run) -> list[Measurement]:
    """What the new run should have measured: all of it when it was a full run of everything, and of a
    narrower one only what its own options asked for."""
    before = list(before)
    chosen, probes = new.settings.get("chosen"), new.settings.get("probes")
    planned = set(new.planned)
    asked = set(select({m.case for m in before}, new.settings["filters"], new.settings["excludes"]))
    return [
        m
        for m in before
        if m.case in asked
        and (not chosen or m.case.suite in chosen)
        and (not probes or m.probe in probes)
        and (m.probe != REFERENCE or m.notes.get(REFERENCE) == new.settings.get(REFERENCE))
        and (not new.quick or m.case.name in planned)
    ]


def last_good(past: Iterable[Run]) -> list[Measurement]:
    """Of each case and probe, the newest measurement that has numbers, or else the newest."""
    return newest_good((m.case.name, m.probe, m.status, m) for run in past for m in run.measurements)


def newest_good(rows: Iterable[tuple[str, str, Status, T]]) -> list[T]:
    """`last_good` of what stands for measurements: rows of a case's name, a probe, how it ended and what is
    wanted, oldest first."""
    good: dict[tuple[str, str], T] = {}
    newest: dict[tuple[str, str], T] = {}
    for name, probe, status, row in rows:
        newest[name, probe] = row
        if status.has_numbers:
            good[name, probe] = row
    return list((newest | good).values())


def green_runs(past: Sequence[Run], green: Callable[[Run, list[Run]], bool]) -> list[Run]:
    """The runs in which a gate found nothing, each held against the green ones before it, oldest first. So
    a slow-down stays one, however many runs have it, until it is mended or acknowledged.

    Args:
        past: runs of one place, oldest first; the newest `LOOKED_BACK` are looked at.
        green: whether a gate finds nothing in a run (first) held against earlier ones (second).
    """
    found: list[Run] = []
    for run in past[-LOOKED_BACK:]:
        if green(run, found):
            found.append(run)
    return found


def source_of(runs: Sequence[Run], case: str) -> Run | None:
    """The newest of the runs that has numbers of a case."""
    return next(
        (
            run
            for run in reversed(runs)
            if any(m.case.name == case and m.status.has_numbers for m in run.measurements)
        ),
        None,
    )


def usual_changes(past: Iterable[Run]) -> dict[tuple[str, str], float]:
    """How far each series usually moves, by case name and metric."""
    values: dict[tuple[str, str, int], list[float]] = {}
    for run in past:
        for measurement in run.measurements:
            case = measurement.case
            for metric, estimate in evaluate(measurement).items():
                values.setdefault((case.name, metric, case.version), []).append(estimate.value)
    # A later version of a case comes later in the history and so replaces an earlier one.
    return {(name, metric): usual_change(series) for (name, metric, _), series in values.items()}
