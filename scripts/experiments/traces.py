"""Recorded pairs of processes, read into streams: what `record.py` writes, and an older form.

The older form holds twelve processes of two sides a line, with the calls a batch in place of a share of work.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from dsbench.pairs import Pair

Turns = tuple[Any, Any]
"""Seconds of each turn of the two sides of one pair, as arrays."""

SHARES = {"same": 0.0, "two": 0.02, "five": 0.05}


@dataclass(frozen=True)
class Cell:
    """What was recorded: where, the kernel, whether a neighbour was there, and by which share the second
    side does more."""

    machine: str
    kernel: str
    busy: bool
    real: float


@dataclass
class Stream:
    """Pairs of one case on one core, in the order in which they were taken; `seconds` is what the turns of
    a pair took, both sides and everything between them (not known of the first case of a process), and
    `processor` are the same pairs in processor time (none where a device computes)."""

    cell: Cell
    pairs: list[Turns] = field(default_factory=list)
    processor: list[Turns] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def log_ratio(pair: Turns) -> float:
    """What a pair says: the median log ratio of neighbouring turns."""
    turns = min(map(len, pair))
    return median(math.log(b / a) for a, b in zip(pair[0][:turns], pair[1][:turns], strict=True))


def pair_of(number: int, wall: Turns, processor: Turns | None = None) -> Pair:
    """A pair as `dsbench compare --measure` has it, of its turns by the clock on the wall and, where that was
    recorded, in processor time."""
    clocks = (
        [np.stack(side, axis=1).tolist() for side in zip(wall, processor, strict=True)] if processor else []
    )
    return Pair(
        "recorded.trace.kernel",
        number,
        seconds=(median(wall[0]), median(wall[1])),
        log_ratio=log_ratio(wall),
        cpu_log_ratio=log_ratio(processor) if processor else None,
        turns=list(zip(*clocks, strict=False)),
    )


def slower(pairs: Sequence[Pair], share: float) -> list[Pair]:
    """Pairs whose second side takes so much longer, by either clock."""
    shift = math.log1p(share)
    return [
        replace(
            pair,
            log_ratio=pair.log_ratio + shift,
            cpu_log_ratio=None if pair.cpu_log_ratio is None else pair.cpu_log_ratio + shift,
        )
        for pair in pairs
    ]


def by_wall(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of which no processor time is known."""
    return [replace(pair, cpu_log_ratio=None) for pair in pairs]


def read(paths: Iterable[Path]) -> list[Stream]:
    """Every stream of the files, and of the *.jsonl.gz in the folders."""
    found: list[Stream] = []
    for path in paths:
        for file in sorted(path.glob("*.jsonl.gz")) if path.is_dir() else [path]:
            with gzip.open(file, "rt") as lines:
                rows = list(map(json.loads, lines))
            found += _streams(rows) if rows[0].get("type") == "stream" else _older(rows, file.name)
    return found


def _streams(rows: Iterable[dict[str, Any]]) -> Iterator[Stream]:
    streams: dict[str, Stream] = {}
    for row in rows:
        if row["type"] == "stream":
            yield from streams.values()
            streams = {}
            origin, last = row, 0.0
            continue
        _, kernel, share = row["case"].split(".")
        cell = Cell(origin["machine"], kernel, origin["neighbour"], SHARES[share])
        stream = streams.setdefault(row["case"], Stream(cell))
        turns = np.array(row["turns"])  # turn, side, wall clock or processor
        stream.pairs.append((turns[:, 0, 0], turns[:, 1, 0]))
        if origin["backend"] == "cpu":
            stream.processor.append((turns[:, 0, 1], turns[:, 1, 1]))
        # The first case comes after both processes were made ready, which takes longer.
        if last > row["start"]:
            stream.seconds.append(row["at"] - last)
        last = row["at"]
    yield from streams.values()


def _older(rows: Iterable[dict[str, Any]], name: str) -> Iterator[Stream]:
    streams: dict[Cell, Stream] = {}
    for row in rows:
        if row["design"] != "I":  # one side after the other is made from turns
            continue
        first, second = row["nums"]
        machine, busy = "2 shared cores", not name.startswith("quiet")
        cell = Cell(machine, {"pyloop": "loop"}.get(row["kernel"], row["kernel"]), busy, second / first - 1)
        stream = streams.setdefault(cell, Stream(cell))
        taken: dict[int, tuple[list[Any], list[Any]]] = {}
        for side, process, _, _, wall, processor in row["samples"]:
            taken.setdefault(process, ([], []))[side].append((wall * 1e-9 / first, processor * 1e-9 / first))
        for process in sorted(taken):
            turns = min(map(len, taken[process]))
            a, b = (np.array(side[:turns]) for side in taken[process])
            stream.pairs.append((a[:, 0], b[:, 0]))
            stream.processor.append((a[:, 1], b[:, 1]))
            stream.seconds.append(first * float(a[:, 0].sum() + b[:, 0].sum()))
    yield from streams.values()
