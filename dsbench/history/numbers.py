"""The numbers of a recorded run at a fraction of the cost of the run itself, for who reads all of them.

`recall.recorded` makes an object of every sample. Who shows a thousand runs needs the values and intervals
alone, and the lines as they stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dsbench.history.sidecar import HistoryError, unreadable
from dsbench.metrics import METRICS, Metric
from dsbench.records import Case, Measurement, Run, Sample
from dsbench.stats.intervals import of_many

Number = tuple[str, float, float | None, float | None]
"""A metric's name, its value and the ends of its interval."""


class Row(NamedTuple):
    """One measurement: its primary metrics as (name, value, low, high), and its line in the side-car."""

    case: Case
    probe: str
    status: str
    reason: str
    metrics: list[Number]
    line: bytes


@dataclass(frozen=True)
class Numbers:
    """A recorded run: `run` lacks its measurements, of which `rows` has the numbers; `samples` counts all
    readings, and `disturbed` those that were marked, by cause."""

    run: Run
    rows: list[Row]
    samples: int
    disturbed: Mapping[str, int]
    header: bytes


def numbers(path: Path, content: bytes, metrics: Mapping[str, Metric] = METRICS) -> Numbers:
    """Reads a side-car.

    Args:
        path: where it lies, for messages.
        content: what it holds.
        metrics: those that are looked for.

    Raises:
        HistoryError: it is not a recorded run.
    """
    lines = [line for line in content.split(b"\n") if line.strip()]
    try:
        found = json.loads(b"[" + b",".join(lines) + b"]", parse_constant=_refuse)
        ends = [line for line, row in zip(lines, found, strict=True) if row["type"] != "measurement"]
        run = Run.from_lines(line.decode() for line in ends)
        if run.environment.commit is None or run.environment.commit_time is None:
            raise HistoryError("it has no commit")
        rows, samples, disturbed = _rows(
            [(row, line) for row, line in zip(found, lines, strict=True) if row["type"] == "measurement"],
            metrics,
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, HistoryError) as error:
        raise unreadable(path, str(error)) from None
    return Numbers(run, rows, samples, disturbed, ends[0])


def _rows(
    found: Iterable[tuple[dict[str, Any], bytes]], metrics: Mapping[str, Metric]
) -> tuple[list[Row], int, dict[str, int]]:
    by_probe: dict[str, list[Metric]] = {}
    for metric in metrics.values():
        if metric.primary:
            by_probe.setdefault(metric.probe, []).append(metric)
    cases: dict[tuple[Any, ...], Case] = {}
    rows: list[Row] = []
    waiting: list[tuple[list[Number], str]] = []
    values: list[float] = []
    rounds: list[int] = []
    lengths: list[int] = []
    total, disturbed = 0, dict[str, int]()
    for row, line in found:
        at = row["case"]
        key = (at["suite"], at["benchmark"], at["candidate"], at["version"], *at["point"].items())
        case = cases.get(key) or cases.setdefault(key, Case.from_json(at))
        known: list[Number] = []
        readings = row["readings"]
        for metric in by_probe.get(row["probe"], ()):
            taken = readings.get(metric.reading)
            if not taken:
                continue
            if metric.typical:
                waiting.append((known, metric.name))
                values += [sample[0] for sample in taken]
                rounds += [sample[1] for sample in taken]
                lengths.append(len(taken))
            elif (estimate := metric.of(Measurement.from_json(row))) is not None:
                known.append((metric.name, estimate.value, estimate.low, estimate.high))
        for taken in readings.values():
            total += len(taken)
            for sample in taken:
                if len(sample) > 3:
                    cause = Sample(*sample).cause
                    disturbed[cause] = disturbed.get(cause, 0) + 1
        rows.append(Row(case, row["probe"], row["status"], row["reason"], known, line))
    for (known, name), ends in zip(waiting, of_many(values, rounds, lengths), strict=True):
        known.append((name, *ends))
    return rows, total, disturbed


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
