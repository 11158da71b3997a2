"""The numbers of a recorded run at a fraction of the cost of the run itself, for who reads all of them.

`recall.recorded` makes an object of every sample. Who shows a thousand runs needs the values and intervals
alone, and the lines as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dsbench.history.sidecar import unreadable
from dsbench.metrics import METRICS, Metric
from dsbench.records import Case, Measurement, Run, Sample
from dsbench.stats.intervals import of_many

Number = tuple[str, float, float | None, float | None]
"""A metric's name, its value and the ends of its interval."""

Cases = dict[tuple[Any, ...], tuple[Case, str]]
"""Cases with their names by what their JSON says, kept from run to run since most hold the same ones."""


class Row(NamedTuple):
    """One measurement: its case and the case's name, its primary metrics, and its line in the side-car."""

    case: Case
    name: str
    probe: str
    status: str
    reason: str
    metrics: list[Number]
    line: bytes


@dataclass(frozen=True)
class Numbers:
    """A recorded run: `run` lacks its measurements, of which `rows` has the numbers; `samples` counts all
    readings, and `disturbed` those that were marked, by cause; `header` is the run's own line."""

    run: Run
    rows: list[Row]
    samples: int
    disturbed: Mapping[str, int]
    header: bytes


def numbers(
    path: Path, content: bytes, metrics: Mapping[str, Metric] = METRICS, cases: Cases | None = None
) -> Numbers:
    """Reads a side-car.

    Args:
        path: where it lies, for messages.
        content: what it holds.
        metrics: those that are looked for.
        cases: those that were met in other runs; new ones are added.

    Raises:
        HistoryError: it is not a recorded run.
    """
    lines = [line for line in content.split(b"\n") if line.strip()]
    try:
        found = orjson.loads(b"[" + b",".join([_short(line) for line in lines]) + b"]")
        heads = [line for line, row in zip(lines, found, strict=True) if row["type"] != "measurement"]
        run = Run.from_lines(line.decode() for line in heads)
        if run.environment.commit is None or run.environment.commit_time is None:
            raise ValueError("it has no commit")
        rows, samples, disturbed = _rows(found, lines, metrics, {} if cases is None else cases)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise unreadable(path, str(error)) from None
    return Numbers(run, rows, samples, disturbed, heads[0])


def _rows(
    found: list[dict[str, Any]], lines: list[bytes], metrics: Mapping[str, Metric], cases: Cases
) -> tuple[list[Row], int, dict[str, int]]:
    # One long loop over local names: of millions of rows, each call and each look-up is felt.
    probes: dict[str, list[tuple[Metric, bool]]] = {}
    for metric in metrics.values():
        if metric.primary:
            probes.setdefault(metric.probe, []).append((metric, metric.typical))
    rows: list[Row] = []
    waiting: list[tuple[list[Number], str]] = []
    values: list[float] = []
    rounds: list[int] = []
    lengths: list[int] = []
    total, disturbed = 0, dict[str, int]()
    for row, line in zip(found, lines, strict=True):
        if row["type"] != "measurement":
            continue
        at = row["case"]
        key = (at["suite"], at["benchmark"], at["candidate"], at["version"], *at["point"].items())
        known = cases.get(key)
        if known is None:
            case = Case.from_json(at)
            known = cases[key] = (case, case.name)
        numbers: list[Number] = []
        readings, probe = row["readings"], row["probe"]
        for metric, typical in probes.get(probe, ()):
            taken = readings.get(metric.reading)
            if not taken:
                continue
            if typical:  # of all measurements at once, below
                waiting.append((numbers, metric.name))
                values += [sample[0] for sample in taken]
                rounds += [sample[1] for sample in taken]
                lengths.append(len(taken))
            elif (estimate := metric.of(Measurement.from_json(orjson.loads(line)))) is not None:
                numbers.append((metric.name, estimate.value, estimate.low, estimate.high))
        for taken in readings.values():
            total += len(taken)
        if b'"]' in line:  # only a marked sample ends so
            for sample in (sample for taken in readings.values() for sample in taken if len(sample) > 3):
                cause = Sample(*sample).cause
                disturbed[cause] = disturbed.get(cause, 0) + 1
        rows.append(Row(known[0], known[1], probe, row["status"], row["reason"], numbers, line))
    for (numbers, name), (value, low, high) in zip(waiting, of_many(values, rounds, lengths), strict=True):
        numbers.append((name, value, low, high))
    return rows, total, disturbed


def _short(line: bytes) -> bytes:
    """A line without what follows a measurement's readings, which is half of it and not looked at. Nothing
    before can be taken for that: a quote within a string is escaped, and no other value is an object."""
    end = line.find(b',"work":{')
    return line if end < 0 else line[:end] + b"}"
