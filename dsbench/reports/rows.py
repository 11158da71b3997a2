"""What every report of a run shows: one row a case, grouped by benchmark."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from dsbench.metrics import METRICS, evaluate, numbered
from dsbench.records import Case, Measurement, Run, Scalar, Status
from dsbench.reports import units
from dsbench.stats.intervals import Estimate
from dsbench.stats.two_sample import paired_log_ratio

RATIO = "time / baseline"
"""The title of the column that `Row.ratio` fills."""

CAUSES = 5
"""How many cases say why their device was not busier, before the rest is left to the JSON report."""

_FIRST = ("latency", "error", "sqnr", "roofline", "peak_memory", "throughput")
_LATENCY = METRICS["latency"]
_SERIOUSNESS = {status: rank for rank, status in enumerate(Status)}


@dataclass(frozen=True)
class Row:
    """A case: what its probes found, and its latency over the baseline's at the same point (below 1
    is faster; None when they share no round), by round, with an interval from two shared rounds on."""

    case: Case
    measurements: tuple[Measurement, ...]
    metrics: Mapping[str, Estimate]
    ratio: Estimate | None
    is_baseline: bool

    @property
    def worst(self) -> Measurement:
        """The measurement that speaks for the case: the most serious one. A probe that this device
        does not support says nothing about a case that another probe could measure."""
        answers = [m for m in self.measurements if m.status is not Status.UNSUPPORTED]
        return max(answers or self.measurements, key=lambda m: _SERIOUSNESS[m.status])

    def status_of(self, metric: str) -> Status | None:
        """How the probe behind a metric ended here; None when it was not asked."""
        probe = METRICS[metric].probe
        return next((m.status for m in self.measurements if m.probe == probe), None)


@dataclass(frozen=True)
class Group:
    """A benchmark's rows in order; `name` is ``suite.benchmark``, `candidates` are in the order in
    which the run planned them, `metrics` are those that any row has, the most telling
    first."""

    name: str
    baseline: str
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]

    def points(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows by point, each point in words such as ``N=1024, D=64``."""
        for point, rows in groupby(self.rows, key=lambda row: row.case.point):
            yield at(dict(point)), list(rows)

    def notes(self) -> list[str]:
        """Why probes have no numbers in cases that other probes could measure, alike ones together, and
        why devices were not busier."""
        found = Counter(
            f"{m.probe} {m.status}: {m.reason}"
            for row in self.rows
            for m in row.measurements
            if row.metrics and not m.status.has_numbers
        )
        notes = [f"{note} ({count} {plural(count, 'case')})" for note, count in found.items()]
        causes = [
            f"{row.case.candidate}{f' at {at(row.case.at)}' if row.case.point else ''}: {m.notes['why']}"
            for row in self.rows
            for m in row.measurements
            if "why" in m.notes
        ]
        more = (
            [f"{len(causes) - CAUSES} more such notes are in the JSON report"] if len(causes) > CAUSES else []
        )
        return [*notes, *causes[:CAUSES], *more]


def columns(metrics: Iterable[str]) -> list[str]:
    """The metrics with `RATIO` after the latency: the columns that `cell` fills."""
    return [column for name in metrics for column in ((name, RATIO) if name == _LATENCY.name else (name,))]


def cell(row: Row, column: str) -> str:
    """What stands in a row under a metric's name or `RATIO`: the number, else how its probe ended."""
    if column == RATIO:
        return "baseline" if row.is_baseline and row.ratio else units.ratio(row.ratio)
    if column in row.metrics:
        return units.estimate(row.metrics[column], METRICS[column].unit)
    status = row.status_of(column)
    return status if status and not status.has_numbers else units.NOTHING


def at(point: Mapping[str, Scalar]) -> str:
    """A point in words; empty for a benchmark without axes."""
    return ", ".join(f"{axis}={value}" for axis, value in point.items())


def plural(count: int, word: str) -> str:
    """The word as it goes with a count."""
    return word if count == 1 else f"{word}s"


def groups(run: Run) -> list[Group]:
    """The run's benchmarks in order; cases without any measurement are not among the rows."""
    by_case: dict[Case, list[Measurement]] = {}
    for measurement in run.measurements:
        by_case.setdefault(measurement.case, []).append(measurement)
    # Runs may be resumed and merged, so the plan orders the cases, not the moment they were measured.
    planned = {name: index for index, name in enumerate(run.planned)}
    ordered = sorted(by_case, key=lambda case: planned.get(case.name, len(planned)))
    by_benchmark: dict[str, list[Case]] = {}
    for case in ordered:
        by_benchmark.setdefault(f"{case.suite}.{case.benchmark}", []).append(case)
    return [_group(run, name, cases, by_case) for name, cases in by_benchmark.items()]


def _group(run: Run, name: str, cases: list[Case], by_case: Mapping[Case, list[Measurement]]) -> Group:
    baseline = run.baselines.get(name, "")
    points = list(dict.fromkeys(case.point for case in cases))
    times = {case: _latencies(by_case[case]) for case in cases}
    base_times = {case.point: times[case] for case in cases if case.candidate == baseline}
    rows = [
        Row(
            case,
            tuple(by_case[case]),
            {name: value for m in by_case[case] for name, value in evaluate(m).items()},
            _ratio(base_times.get(case.point, {}), times[case]),
            case.candidate == baseline,
        )
        for case in sorted(cases, key=lambda case: points.index(case.point))
    ]
    return Group(
        name,
        baseline,
        tuple(dict.fromkeys(case.candidate for case in cases)),
        tuple(
            metric
            for metric in dict.fromkeys((*_FIRST, *METRICS))
            if any(metric in row.metrics for row in rows)
        ),
        tuple(rows),
    )


def _latencies(measurements: list[Measurement]) -> dict[int, list[float]]:
    return next(
        (numbered(m.readings[_LATENCY.reading]) for m in measurements if m.readings.get(_LATENCY.reading)), {}
    )


def _ratio(before: Mapping[int, list[float]], after: Mapping[int, list[float]]) -> Estimate | None:
    if any(value <= 0 for side in (before, after) for readings in side.values() for value in readings):
        return None
    log = paired_log_ratio(before, after)
    if log is None:
        return None
    if log.low is None or log.high is None:
        return Estimate(math.exp(log.value))
    return Estimate(math.exp(log.value), math.exp(log.low), math.exp(log.high))
