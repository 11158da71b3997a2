"""The site's data files: scripts that hand over what they hold, written line by line.

A case's file is a header and a line a run, in the order in which runs were read, and so of their numbers; the
page sorts them by time. A new run's lines wait beside the files of its cases (`Late`) until it is their turn.
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
from dsbench.reports.site.late import Late

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


Row = tuple[int, int, list[Any], list[list[str]]]
"""A line as it stands: run, version, [metric, value, low, high, ...] and how probes ended that are not ok."""


def rows_of(lines: Sequence[str]) -> list[Row]:
    """Reads lines of a case's file, P(run,version,[metric,value,low,high,...],[ended,...]), all at once."""
    rows: list[Row] = orjson.loads(f"[{','.join([f'[{line[2:-2]}]' for line in lines])}]")
    return rows


def points_of(lines: Sequence[str]) -> list[Point]:
    """Reads lines of a case's file, and what metric each number is of."""
    return [
        Point(run, version, {flat[i]: (*flat[i + 1 : i + 4],) for i in range(0, len(flat), 4)}, ended)
        for run, version, flat, ended in rows_of(lines)
    ]


def opening(run: int) -> str:
    """How the line of a run in a case's file begins."""
    return f"P({run}"


def by_run(lines: Iterable[str]) -> dict[str, str]:
    """Lines of a case's file by their `opening`."""
    return {line.partition(",")[0]: line for line in lines}


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
        self._late = Late(old, stage)

    def known(self) -> list[str]:
        """Ids of the last build's cases."""
        return [] if self._old is None else sorted(path.stem for path in self._old.glob("*.js"))

    def extend(self, identity: str, more: Sequence[str]) -> None:
        """Takes a file over from the last build, and lets more lines wait beside it."""
        self.keep(identity)
        self._late.add(identity, more)

    def lines(self, identity: str) -> list[str]:
        """What is known of a case, a line a run: those in its file (of this build where it has it already)
        and those that wait."""
        return self._text(identity).split("\n")[1:-1]  # after the first, which has the marks

    def _text(self, identity: str) -> str:
        path = self._stage / f"{identity}.js"
        if self._old is not None and not path.is_file():
            path = self._old / path.name
        if not path.is_file():
            return ""
        return path.read_bytes().decode() + "\n".join([*self._late.lines(identity), ""])

    def marks(self, identity: str) -> list[dict[str, Any]]:
        """The change points in a case's file of the last build."""
        path = None if self._old is None else self._old / f"{identity}.js"
        if path is None or not path.is_file():
            return []
        with path.open(encoding="utf-8") as stream:
            head = stream.readline()
        found: list[dict[str, Any]] = json.loads(head[head.index(",") + 1 : head.rindex(")")])
        return found

    def points(self, identity: str, runs: Sequence[int]) -> dict[int, Point]:
        """What is known of a case in a few runs, by their numbers and in their order."""
        found = {point.run: point for point in points_of(_few(self._text(identity), sorted(runs)))}
        return {run: found[run] for run in runs if run in found}

    def write(self, identity: str, lines: Sequence[str], marks: Sequence[Mapping[str, Any]]) -> None:
        """Writes a case's file: its marks, and its lines, of which none waits any longer."""
        head = f"C({json.dumps(identity)},{json.dumps(marks)});"
        (self._stage / f"{identity}.js").write_text("\n".join([head, *lines, ""]), encoding="utf-8")
        self._late.drop(identity)

    def keep(self, identity: str) -> None:
        """Takes a file over from the last build as it is."""
        assert self._old is not None  # only what it holds is kept
        link(f"{self._old}/{identity}.js", f"{self._stage}/{identity}.js")

    def drop(self, identity: str) -> None:
        """Leaves a case out, of which nothing is left."""
        self._late.drop(identity)

    def write_late(self) -> list[str]:
        """Writes the lines that wait, and says for cases of which first digits there are some."""
        return self._late.write()


def _few(text: str, runs: Sequence[int]) -> list[str]:
    """The lines of a few runs, in the order of their numbers; the others are not looked at."""
    lines, at = [], 0
    for run in runs:
        start = text.find(f"\n{opening(run)},", at)
        if start >= 0:
            at = text.index("\n", start + 1)
            lines.append(text[start + 1 : at])
    return lines


def link(source: str, target: str) -> None:
    """The same file under another name, or a copy where the file system has no such links. (Thousands are
    linked by a build, and a `Path` of each would take longer than the link itself.)"""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
