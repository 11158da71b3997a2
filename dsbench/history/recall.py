"""Reading back what was recorded; needs no asv."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsbench.history.sidecar import HistoryError, read, unreadable
from dsbench.history.values import asked, values
from dsbench.metrics import METRICS, REFERENCE, Metric
from dsbench.records import Case, Run, Status
from dsbench.stats.intervals import Estimate


@dataclass(frozen=True)
class Point:
    """One commit of a series; `estimate` is None when the case has no number there, and `reason` says
    why. `run` is the id of the run that measured it."""

    commit: str
    commit_time: float
    estimate: Estimate | None
    status: Status
    reason: str
    run: str


@dataclass(frozen=True)
class Series:
    """One metric of one case on one machine and device over commits, oldest first. The environment's
    name (backend and Python) is a part of it, as in asv: a new Python starts a new series. So is the commit
    that a ratio is to, which is empty for any other metric."""

    machine: str
    environment: str
    device: str
    case: Case
    metric: str
    points: tuple[Point, ...]
    reference: str = ""


def recorded(results: Path) -> tuple[list[Run], list[str]]:
    """Every recorded run, one for each machine, commit and environment, by the time of the commit.

    Returns:
        The runs, and a line for each file that cannot be read, asv's own among them; no folder gives
        no runs.
    """
    runs: list[Run] = []
    problems: list[str] = []
    for path in sorted(results.glob("*/*-dsbench-*.jsonl")):
        try:
            runs.append(read(path))
        except (HistoryError, OSError) as error:
            problems.append(str(error))
    for path in (*sorted(results.glob("*.json")), *sorted(results.glob("*/*.json"))):
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            problems.append(str(unreadable(path, str(error))))
        except OSError as error:
            problems.append(str(error))
    return sorted(runs, key=_commit_time), problems


def series(runs: Iterable[Run], metrics: Mapping[str, Metric] = METRICS) -> list[Series]:
    """The series of every primary metric in the runs; a run without a commit has no place in one."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in sorted(runs, key=_commit_time):
        where = run.environment
        if where.commit is not None:
            groups.setdefault((where.machine, where.name, where.device.name), []).append(run)
    return [
        Series(*where, case, metric, tuple(points), reference)
        for where, group in groups.items()
        for (case, metric, reference), points in _points(group, metrics).items()
    ]


def _points(runs: list[Run], metrics: Mapping[str, Metric]) -> dict[tuple[Case, str, str], list[Point]]:
    remembered = asked((m for run in runs for m in run.measurements), metrics)
    found: dict[tuple[Case, str, str], list[Point]] = {}
    for run in runs:
        for measurement in run.measurements:
            for metric, estimate in values(measurement, remembered):
                point = Point(
                    commit=run.environment.commit or "",
                    commit_time=_commit_time(run),
                    estimate=estimate,
                    status=measurement.status,
                    reason=measurement.reason,
                    run=str(measurement.notes.get("run", run.id)),
                )
                reference = str(measurement.notes.get(REFERENCE, ""))
                found.setdefault((measurement.case, metric.name, reference), []).append(point)
    return found


def _commit_time(run: Run) -> float:
    return run.environment.commit_time or 0.0
