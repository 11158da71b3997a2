"""The site's data files: scripts that hand over what they hold, written line by line.

A case's file is a header and a line a run, in any order; the page sorts them. So a new run is appended, and
one that changed is dropped and appended, without reading what the others say.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dsbench.history.reading import Number
from dsbench.records import Case
from dsbench.reports.plain import clean, shorten

LONGEST = 300
"""Columns of a name or a reason in the data of a page; the whole text stands among the run's samples."""


def case_id(case: Case) -> str:
    """What names a case's file and links: of a hundred thousand names, two share one in half a per cent."""
    return hashlib.sha256(case.name.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def text(value: str, longest: int = LONGEST) -> str:
    """A text of a run as pages show it: one line, without control or direction characters, and not long."""
    return shorten(clean(value), longest)


def script(name: str, data: Any) -> str:
    """A data file: strict JSON, handed over by name."""
    return f"dsbench.take({json.dumps(name)},{json.dumps(data, allow_nan=False, separators=(',', ':'))});\n"


def packed(name: str, content: bytes) -> bytes:
    """A data file whose content is compressed, since it is long and seldom looked at; the page unpacks it."""
    return b'dsbench.take("%b","%b");\n' % (name.encode(), base64.b64encode(zlib.compress(content, 1)))


class Point(NamedTuple):
    """What a case's file says of one run: metrics by number as (value, low, high), and how probes ended that
    are not ok, as (probe, status, reason)."""

    run: int
    version: int
    metrics: dict[int, tuple[float | None, float | None, float | None]]
    ended: list[list[str]]


def points_of(lines: Sequence[str]) -> list[Point]:
    """Reads lines of a case's file, P(run,version,[metric,value,low,high,...],[ended,...]), all at once."""
    rows = orjson.loads(f"[{','.join([f'[{line[2:-2]}]' for line in lines])}]")
    return [
        Point(run, version, {flat[i]: (*flat[i + 1 : i + 4],) for i in range(0, len(flat), 4)}, ended)
        for run, version, flat, ended in rows
    ]


def by_run(lines: Iterable[str]) -> dict[str, str]:
    """Lines of a case's file by the digits of their run's number."""
    return {line[2 : line.index(",")]: line for line in lines}


def flattened(metrics: Sequence[Sequence[Number]], index: Mapping[str, int]) -> list[str]:
    """Of each measurement its metrics' number, value, low and high, one after the other."""
    every: list[Any] = list(chain.from_iterable(chain.from_iterable(metrics)))
    every[::4] = [index[name] for name in every[::4]]
    count = len(every) // 4
    try:
        told = "%d,%.5g,%.5g,%.5g\n" * count % tuple(every)
    except TypeError:
        told = "none of them has to have an interval"
    parts = told.split("\n")[:count]
    if "n" in told:  # neither NaN nor infinity is a word of JSON or of JavaScript
        parts = [_flat(*every[at : at + 4]) for at in range(0, 4 * count, 4)]
    if count == len(metrics) and all(metrics):
        return parts
    remaining = iter(parts)
    return [",".join([next(remaining) for _ in some]) for some in metrics]


def _flat(number: int, *ends: float | None) -> str:
    return ",".join((str(number), *("null" if e is None or e - e != 0 else f"{e:.5g}" for e in ends)))


class CaseFiles:
    """The files of cases: those of the last build, and those that this one writes in their place."""

    def __init__(self, old: Path | None, stage: Path) -> None:
        self._old = None if old is None else old / "data" / "case"
        self._stage = stage / "data" / "case"
        self._stage.mkdir(parents=True)

    def known(self) -> list[str]:
        """Ids of the last build's cases."""
        return [] if self._old is None else sorted(path.stem for path in self._old.glob("*.js"))

    def extend(self, identity: str, more: Sequence[str]) -> None:
        """Takes a file over from the last build, and appends lines to it."""
        assert self._old is not None  # only what it holds is extended
        name = f"{identity}.js"
        (self._stage / name).write_bytes((self._old / name).read_bytes() + _joined(more).encode())

    def lines(self, identity: str) -> list[str]:
        """The lines of runs in a case's file, of this build where it has it already."""
        path = self._stage / f"{identity}.js"
        if self._old is not None and not path.is_file():
            path = self._old / path.name
        if not path.is_file():
            return []
        return path.read_text(encoding="utf-8").split("\n")[1:-1]  # after the first, which has the marks

    def marks(self, identity: str) -> list[dict[str, Any]]:
        """The change points in a case's file of the last build."""
        path = None if self._old is None else self._old / f"{identity}.js"
        if path is None or not path.is_file():
            return []
        with path.open(encoding="utf-8") as stream:
            head = stream.readline()
        found: list[dict[str, Any]] = json.loads(head[head.index(",") + 1 : head.rindex(")")])
        return found

    def points(self, identity: str, runs: Iterable[int]) -> dict[int, Point]:
        """What a case's file says of some runs, by number."""
        known = by_run(self.lines(identity))
        found = points_of([known[digits] for digits in map(str, runs) if digits in known])
        return {point.run: point for point in found}

    def write(self, identity: str, lines: Sequence[str], marks: Sequence[Mapping[str, Any]]) -> None:
        """Writes a case's file: its marks, and its lines."""
        head = f"C({json.dumps(identity)},{json.dumps(marks)});"
        (self._stage / f"{identity}.js").write_text(_joined([head, *lines]), encoding="utf-8")

    def keep(self, identity: str) -> None:
        """Takes a file over from the last build as it is."""
        assert self._old is not None  # only what it holds is kept
        link(self._old / f"{identity}.js", self._stage / f"{identity}.js")


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
