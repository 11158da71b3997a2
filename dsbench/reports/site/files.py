"""The site's data files: scripts that hand over what they hold, written line by line.

A case's file is a header and a line a run, in any order; the page sorts them. So a new run is appended, and
one that changed is dropped and appended, without reading what the others say.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dsbench.history.reading import Number, Numbers, Row
from dsbench.records import Case
from dsbench.reports.plain import clean, shorten

LONGEST = 300
"""Columns of a name or a reason in the data of a page; the whole text stands in the run's own lines."""


def case_id(case: Case) -> str:
    """What names a case's file and links: of a hundred thousand names, two share one in half a per cent."""
    return hashlib.sha256(case.name.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def text(value: str, longest: int = LONGEST) -> str:
    """A text of a run as pages show it: one line, without control or direction characters, and not long."""
    return shorten(clean(value), longest)


def script(name: str, data: Any) -> str:
    """A data file: strict JSON, handed over by name."""
    return f"dsbench.take({json.dumps(name)},{json.dumps(data, allow_nan=False, separators=(',', ':'))});\n"


class Point(NamedTuple):
    """What a case's file says of one run: metrics by number as (value, low, high), and how probes ended that
    are not ok, as (probe, status, reason)."""

    run: int
    version: int
    metrics: dict[int, tuple[float, float | None, float | None]]
    ended: list[list[str]]


def line_of(number: int, version: int, numbers: str, ended: Sequence[Row]) -> str:
    """The line of a run in a case's file: `numbers_of` its measurements, and those that are not ok."""
    if not ended:
        return f"P({number},{version},[{numbers}],[]);\n"
    told = json.dumps([[row.probe, row.status, text(row.reason)] for row in ended])
    return f"P({number},{version},[{numbers}],{told});\n"


def numbers_of(row: Row, index: Mapping[str, int]) -> str:
    """The metrics of a measurement: number, value, low and high of each, one after the other."""
    metrics = row.metrics
    return _number(metrics[0], index) if len(metrics) == 1 else ",".join([_number(m, index) for m in metrics])


def _number(metric: Number, index: Mapping[str, int]) -> str:
    name, value, low, high = metric
    if low is None or high is None or value - value + low - low + high - high != 0:
        # Neither NaN nor infinity is a word of JSON or of JavaScript.
        ends = ["null" if end is None or end - end != 0 else f"{end:.5g}" for end in (value, low, high)]
        return f"{index[name]},{','.join(ends)}"
    return "%d,%.5g,%.5g,%.5g" % (index[name], value, low, high)  # noqa: UP031 - a fifth faster


def point_of(line: str) -> Point:
    """Reads `line_of` back."""
    run, version, flat, ended = orjson.loads(f"[{line[2 : line.rindex(')')]}]")
    metrics = {flat[at]: (flat[at + 1], flat[at + 2], flat[at + 3]) for at in range(0, len(flat), 4)}
    return Point(run, version, metrics, ended)


def number_of(line: str) -> int:
    """The run's number of a line."""
    return int(line[2 : line.index(",")])


def run_file(number: int, found: Numbers, measured: Sequence[str]) -> bytes:
    """A run's file: its header and the numbers of its measurements, then their lines as recorded.

    Args:
        number: the run's, in this site.
        found: the run.
        measured: of each measurement its case's id, in quotes, and `numbers_of` it.
    """
    head = b"R(%d,%b,[[%b]]);\n" % (number, found.header, "],[".join(measured).encode())
    lines = b");\nM(".join([row.line for row in found.rows])
    return head + (b"M(" + lines + b");\n" if found.rows else b"")


class CaseFiles:
    """The files of cases: those of the last build, and those that this one writes in their place."""

    def __init__(self, old: Path | None, stage: Path) -> None:
        self._old = None if old is None else old / "data" / "case"
        self._stage = stage / "data" / "case"
        self._stage.mkdir(parents=True)
        self._written: set[str] = set()

    def known(self) -> list[str]:
        """Ids of the last build's cases."""
        return [] if self._old is None else sorted(path.stem for path in self._old.glob("*.js"))

    def read(self, identity: str) -> tuple[dict[str, Any], str]:
        """A case's header, empty for one that is new, and its lines, many and seldom looked into."""
        path = self._stage / f"{identity}.js"
        if identity not in self._written and self._old is not None:
            path = self._old / f"{identity}.js"
        if not path.is_file():
            return {}, ""
        first, _, lines = path.read_text(encoding="utf-8").partition("\n")
        header: dict[str, Any] = json.loads(first[first.index("{") : first.rindex("}") + 1])
        return header, lines

    def points(self, identity: str, runs: Iterable[int]) -> dict[int, Point]:
        """What a case's file says of some runs, by number."""
        wanted, lines = set(runs), self.read(identity)[1].splitlines()
        return {number_of(line): point_of(line) for line in lines if number_of(line) in wanted}

    def write(self, identity: str, header: Mapping[str, Any], lines: str) -> None:
        path = self._stage / f"{identity}.js"
        head = f"C({json.dumps(identity)},{json.dumps(header)});\n"
        path.write_text(head + lines, encoding="utf-8")
        self._written.add(identity)

    def keep(self, identity: str) -> None:
        """Takes a file over from the last build."""
        assert self._old is not None  # only what it holds is kept
        link(self._old / f"{identity}.js", self._stage / f"{identity}.js")


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
