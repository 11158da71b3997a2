"""The numbers of a recorded run at a fraction of the cost of the run itself, for who reads all of them.

`recall.recorded` makes an object of every sample. Who shows a thousand runs needs the values and intervals
alone, and the lines as they stand; who judges one needs few of the lines of those before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dsbench.history.sidecar import unreadable
from dsbench.metrics import METRICS, Metric
from dsbench.records import Case, Measurement, Run, Sample, Status, dump
from dsbench.stats.intervals import of_many

Number = tuple[str, float, float | None, float | None]
"""A metric's name, its value and the ends of its interval."""


class Head(NamedTuple):
    """What the beginning of a line says: the case and its name, the probe, and how that ended."""

    case: Case
    name: str
    probe: str
    status: Status
    reason: str


class Heads:
    """The beginnings of lines that were met, kept from run to run: most lines of a history begin alike, and
    need not be understood twice. Runs whose lines begin alike get the same tuple."""

    def __init__(self) -> None:
        self._alone: dict[bytes, Head] = {}
        self._together: dict[tuple[bytes, ...], tuple[Head, ...]] = {}

    def of(self, begins: tuple[bytes, ...]) -> tuple[Head, ...]:
        """What some lines say that begin so."""
        known = self._together.get(begins)
        if known is None:
            known = tuple(self._alone.get(begin) or self._understood(begin) for begin in begins)
            self._together[begins] = known
        return known

    def _understood(self, begin: bytes) -> Head:
        row = orjson.loads(begin + b"}")
        case = Case.from_json(row["case"])
        head = Head(case, case.name, row["probe"], Status(row["status"]), row["reason"])
        return self._alone.setdefault(begin, head)


@dataclass(frozen=True)
class Lines:
    """A recorded run: `run` lacks its measurements; of each of these `heads` says what it is of, and `rests`
    has what follows in its line, from the readings on."""

    run: Run
    heads: tuple[Head, ...]
    begins: tuple[bytes, ...]
    rests: list[bytes]

    def measurement(self, number: int) -> Measurement:
        """One measurement as a whole."""
        return Measurement.from_json(orjson.loads(b"%b,%b" % (self.begins[number], self.rests[number])))


@dataclass(frozen=True)
class Numbers:
    """The primary metrics of each of a run's measurements; `samples` counts all readings, and `disturbed`
    those that were marked, by cause."""

    metrics: list[list[Number]]
    samples: int
    disturbed: Mapping[str, int]


def lines(path: Path, content: bytes, heads: Heads) -> Lines:
    """Reads what the lines of a side-car are of, and no reading.

    Args:
        path: where it lies, for messages.
        content: what it holds.
        heads: beginnings that were met in other runs; new ones are added.

    Raises:
        HistoryError: it is not a recorded run.
    """
    try:
        content.decode()  # what is not looked at has to be text, too
        measured: list[bytes] = []
        others: list[bytes] = []
        for line in content.split(b"\n"):
            (measured if line.startswith(_MEASUREMENT) else others).append(line)
        run = Run.from_lines(line.decode() for line in others)
        if run.environment.commit is None or run.environment.commit_time is None:
            raise ValueError("it has no commit")
        try:
            ends = [line.index(_READINGS) for line in measured]
        except ValueError:  # whoever wrote them has another order
            measured = list(map(_canonical, measured))
            ends = [line.index(_READINGS) for line in measured]
        if not all(line.endswith(b'"}') for line in measured):
            raise ValueError("a line is cut off")
        begins = tuple([line[:end] for line, end in zip(measured, ends, strict=True)])
        rests = [line[end + 1 :] for line, end in zip(measured, ends, strict=True)]
        return Lines(run, heads.of(begins), begins, rests)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise unreadable(path, str(error)) from None


_MEASUREMENT = b'{"type":"measurement"'
_READINGS, _WORK = b',"readings":{', b',"work":{'
"""What stands before and after the readings of a line, and nowhere earlier: a quote within a string is
escaped, and the values of a point are no objects."""


def _canonical(line: bytes) -> bytes:
    """A measurement's line as dsbench writes it."""
    return dump(Measurement.from_json(orjson.loads(line)).to_json()).encode()


def numbers(path: Path, found: Lines, metrics: Mapping[str, Metric] = METRICS) -> Numbers:
    """Computes the primary metrics of a run, those that are typical readings all at once.

    Args:
        path: where it lies, for messages.
        found: its lines.
        metrics: those that are looked for.

    Raises:
        HistoryError: a line has no readings.
    """
    try:
        parts = [rest[11 : rest.index(_WORK)] for rest in found.rests]
        readings: list[dict[str, list[Any]]] = orjson.loads(b"[" + b",".join(parts) + b"]")
        return _numbers(found, readings, metrics)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise unreadable(path, str(error)) from None


def _numbers(
    found: Lines, readings: Sequence[dict[str, list[Any]]], metrics: Mapping[str, Metric]
) -> Numbers:
    # A loop over local names: of millions of rows, each call and each look-up is felt.
    asked: dict[str, dict[str, list[tuple[str, Metric, bool]]]] = {}  # by probe and reading
    for metric in metrics.values():
        if metric.primary:
            there = asked.setdefault(metric.probe, {}).setdefault(metric.reading, [])
            there.append((metric.name, metric, metric.typical))
    rows: list[list[Number]] = [[] for _ in readings]
    waiting: list[tuple[list[Number], str]] = []
    typical: list[list[Any]] = []  # the samples of what waits
    wanted = [asked.get(head.probe, {}) for head in found.heads]
    for number, (here, by_reading, by_name) in enumerate(zip(rows, wanted, readings, strict=True)):
        for reading, taken in by_name.items():
            for name, metric, is_typical in by_reading.get(reading, ()) if taken else ():
                if is_typical:
                    waiting.append((here, name))
                    typical.append(taken)
                elif (estimate := metric.of(found.measurement(number))) is not None:
                    here.append((name, estimate.value, estimate.low, estimate.high))
    flat = list(chain.from_iterable(typical))
    ends = of_many([sample[0] for sample in flat], [sample[1] for sample in flat], list(map(len, typical)))
    for (here, name), (value, low, high) in zip(waiting, ends, strict=True):
        here.append((name, value, low, high))
    every = list(chain.from_iterable(chain.from_iterable(map(dict.values, readings))))
    marked = [sample for sample in every if len(sample) > 3] if max(map(len, every), default=0) > 3 else []
    return Numbers(rows, len(every), Counter(Sample(*sample).cause for sample in marked))
