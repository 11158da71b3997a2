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
from dsbench.records import Case, Measurement, Run, Sample, dump
from dsbench.stats.intervals import of_many

Number = tuple[str, float, float | None, float | None]
"""A metric's name, its value and the ends of its interval."""

Heads = dict[bytes, tuple[Case, str, str, str, str]]
"""A case, its name, the probe, status and reason by the beginning of a line that says so: kept from run to
run, since most lines of a history begin alike, and need not be understood twice."""


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
    path: Path, content: bytes, metrics: Mapping[str, Metric] = METRICS, heads: Heads | None = None
) -> Numbers:
    """Reads a side-car.

    Args:
        path: where it lies, for messages.
        content: what it holds.
        metrics: those that are looked for.
        heads: beginnings of lines that were met in other runs; new ones are added.

    Raises:
        HistoryError: it is not a recorded run.
    """
    try:
        content.decode()  # lines are passed on as they are
        lines = [line for line in content.split(b"\n") if line.strip()]
        measured = [line for line in lines if line.startswith(b'{"type":"measurement"')]
        others = [line for line in lines if not line.startswith(b'{"type":"measurement"')]
        run = Run.from_lines(line.decode() for line in others)
        if run.environment.commit is None or run.environment.commit_time is None:
            raise ValueError("it has no commit")
        rows, samples, disturbed = _rows(measured, metrics, {} if heads is None else heads)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise unreadable(path, str(error)) from None
    return Numbers(run, rows, samples, disturbed, others[0])


def _canonical(line: bytes) -> bytes:
    """A measurement's line as dsbench writes it."""
    return dump(Measurement.from_json(orjson.loads(line)).to_json()).encode()


def _readings(lines: list[bytes]) -> tuple[list[int], list[bytes]]:
    """Where the readings of lines begin, and what they hold.

    Raises:
        ValueError: a line is not as dsbench writes it.
    """
    begins = [line.index(_READINGS) for line in lines]
    if not all(line.endswith(b'"}') for line in lines):
        raise ValueError("a line is cut off")
    return begins, [line[at + 12 : line.index(_WORK, at)] for line, at in zip(lines, begins, strict=True)]


_READINGS, _WORK = b',"readings":{', b',"work":{'
"""What stands before and after the readings of a line, and nowhere earlier: a quote within a string is
escaped, and the values of a point are no objects."""


def _rows(
    lines: list[bytes], metrics: Mapping[str, Metric], heads: Heads
) -> tuple[list[Row], int, dict[str, int]]:
    # One long loop over local names: of millions of rows, each call and each look-up is felt.
    asked: dict[str, dict[str, list[tuple[Metric, bool]]]] = {}  # metrics by probe and reading
    for metric in metrics.values():
        if metric.primary:
            by_reading = asked.setdefault(metric.probe, {})
            by_reading.setdefault(metric.reading, []).append((metric, metric.typical))
    try:
        begins, parts = _readings(lines)
    except ValueError:  # whoever wrote them has another order
        lines = [_canonical(line) for line in lines]
        begins, parts = _readings(lines)
    rows: list[Row] = []
    waiting: list[tuple[list[Number], str]] = []
    values: list[float] = []
    rounds: list[int] = []
    lengths: list[int] = []
    total, disturbed = 0, dict[str, int]()
    taken_by_line: list[dict[str, list[Any]]] = orjson.loads(b"[" + b",".join(parts) + b"]")
    for line, begin, readings in zip(lines, begins, taken_by_line, strict=True):
        head = line[:begin]
        case, name, probe, status, reason = heads.get(head) or _understood(head, heads)
        numbers: list[Number] = []
        wanted = asked.get(probe, {})
        for reading, taken in readings.items():
            total += len(taken)
            for metric, typical in wanted.get(reading, ()) if taken else ():
                if typical:  # of all measurements at once, below
                    waiting.append((numbers, metric.name))
                    values += [sample[0] for sample in taken]
                    rounds += [sample[1] for sample in taken]
                    lengths.append(len(taken))
                elif (estimate := metric.of(Measurement.from_json(orjson.loads(line)))) is not None:
                    numbers.append((metric.name, estimate.value, estimate.low, estimate.high))
        if b'"]' in line:  # only a marked sample ends so
            for sample in (sample for taken in readings.values() for sample in taken if len(sample) > 3):
                cause = Sample(*sample).cause
                disturbed[cause] = disturbed.get(cause, 0) + 1
        rows.append(Row(case, name, probe, status, reason, numbers, line))
    for (numbers, name), (value, low, high) in zip(waiting, of_many(values, rounds, lengths), strict=True):
        numbers.append((name, value, low, high))
    return rows, total, disturbed


def _understood(head: bytes, heads: Heads) -> tuple[Case, str, str, str, str]:
    row = orjson.loads(head + b"}")
    case = Case.from_json(row["case"])
    return heads.setdefault(head, (case, case.name, row["probe"], row["status"], row["reason"]))
