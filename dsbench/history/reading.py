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
    reader = _Reader(metrics, {} if cases is None else cases)
    try:
        found = orjson.loads(b"[" + b",".join([_short(line) for line in lines]) + b"]")
        heads = [line for line, row in zip(lines, found, strict=True) if row["type"] != "measurement"]
        run = Run.from_lines(line.decode() for line in heads)
        if run.environment.commit is None or run.environment.commit_time is None:
            raise ValueError("it has no commit")
        for row, line in zip(found, lines, strict=True):
            if row["type"] == "measurement":
                reader.take(row, line)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise unreadable(path, str(error)) from None
    return Numbers(run, reader.finished(), reader.samples, reader.disturbed, heads[0])


class _Reader:
    """Takes measurements one by one, and the typical readings of all of them at once at the end."""

    def __init__(self, metrics: Mapping[str, Metric], cases: Cases) -> None:
        self.samples, self.disturbed = 0, dict[str, int]()
        self._cases, self._rows = cases, list[Row]()
        self._probes: dict[str, list[tuple[Metric, bool]]] = {}
        for metric in metrics.values():
            if metric.primary:
                self._probes.setdefault(metric.probe, []).append((metric, metric.typical))
        self._waiting: list[tuple[list[Number], str]] = []
        self._values, self._rounds, self._lengths = list[float](), list[int](), list[int]()

    def take(self, row: dict[str, Any], line: bytes) -> None:
        at = row["case"]
        key = (at["suite"], at["benchmark"], at["candidate"], at["version"], *at["point"].items())
        known = self._cases.get(key)
        if known is None:
            case = Case.from_json(at)
            known = self._cases[key] = (case, case.name)
        found: list[Number] = []
        readings = row["readings"]
        for metric, typical in self._probes.get(row["probe"], ()):
            taken = readings.get(metric.reading)
            if not taken:
                continue
            if typical:
                self._waiting.append((found, metric.name))
                self._values += [sample[0] for sample in taken]
                self._rounds += [sample[1] for sample in taken]
                self._lengths.append(len(taken))
            elif (estimate := metric.of(Measurement.from_json(orjson.loads(line)))) is not None:
                found.append((metric.name, estimate.value, estimate.low, estimate.high))
        self.samples += sum(map(len, readings.values()))
        if b'"]' in line:  # only a marked sample ends so
            for sample in (sample for taken in readings.values() for sample in taken if len(sample) > 3):
                cause = Sample(*sample).cause
                self.disturbed[cause] = self.disturbed.get(cause, 0) + 1
        self._rows.append(Row(*known, row["probe"], row["status"], row["reason"], found, line))

    def finished(self) -> list[Row]:
        """The rows, with the numbers that were waiting."""
        ends = of_many(self._values, self._rounds, self._lengths)
        for (found, name), (value, low, high) in zip(self._waiting, ends, strict=True):
            found.append((name, value, low, high))
        return self._rows


def _short(line: bytes) -> bytes:
    """A line without what follows a measurement's readings, which is half of it and not looked at. Nothing
    before can be taken for that: a quote within a string is escaped, and no other value is an object."""
    end = line.find(b',"work":{')
    return line if end < 0 else line[:end] + b"}"
