"""What a run says in the site: the order of its rows, and what stands around their numbers.

Most runs of a history measure the same cases in the same order, so all of this is made once for all of them,
and a run costs no more than its numbers.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsbench.history.reading import Head, Lines
from dsbench.records import Case, Status
from dsbench.reports.repeat import only
from dsbench.reports.site.files import packed, text


@dataclass
class Known:
    """A case that a new run measured: its id, and the lines that new runs add to its file."""

    identity: str
    case: Case
    lines: list[str] = field(default_factory=list)

    def parts(self) -> list[Any]:
        """What the case is called, as pages know it: name, suite, benchmark, candidate, point, how the point
        is written, and the words that choose it in a command."""
        case = self.case
        point = [[text(axis), v if isinstance(v, (int, float)) else text(v)] for axis, v in case.point]
        at = text(", ".join(f"{axis}={value}" for axis, value in case.point))
        words = text(shlex.join(only(case)), 2000)
        return [*map(text, (case.name, case.suite, case.benchmark, case.candidate)), point, at, words]


class Layout:
    """What runs share whose lines begin alike."""

    def __init__(
        self, heads: Sequence[Head], planned: Sequence[str], meet: Callable[[Case, str], Known]
    ) -> None:
        order = {name: place for place, name in enumerate(planned)}
        self._order = sorted(range(len(heads)), key=lambda at: order.get(heads[at].name, len(order)))
        self._openings: list[str] = []  # of the rows of a run's file, in that order
        cases: dict[str, tuple[Known, int, list[int], list[list[str]]]] = {}
        for at in self._order:
            head = heads[at]
            known = meet(head.case, head.name)
            how = [head.probe, head.status.value, text(head.reason)]
            ok = head.status is Status.OK
            self._openings.append(f'"{known.identity}",{json.dumps(head.probe if ok else how)}')
            _, _, rows, ended = cases.setdefault(head.name, (known, head.case.version, [], []))
            rows.append(at)
            ended += [] if ok else [how]
        self._cases = [
            (known, f"{version},[", rows, f"],{json.dumps(ended)});")
            for known, version, rows, ended in cases.values()
        ]
        self.keys = frozenset(f"{meet(head.case, head.name).identity} {head.probe}" for head in heads)
        """Each case and probe that is measured."""

    @property
    def cases(self) -> int:
        return len(self._cases)

    def tell(self, number: int, flats: Sequence[str]) -> None:
        """Gives every case its line of a run, from `flattened` measurements as they were recorded."""
        opening = f"P({number},"
        for known, begin, rows, end in self._cases:
            flat = flats[rows[0]] if len(rows) == 1 else ",".join([flats[at] for at in rows if flats[at]])
            known.lines.append(f"{opening}{begin}{flat}{end}")

    def run_file(self, number: int, environment: Any, flats: Sequence[str]) -> str:
        """A run's file: its environment, and of each measurement its case, how it ended and its numbers."""
        rows = [
            f"{opening},{flats[at]}" if flats[at] else opening
            for opening, at in zip(self._openings, self._order, strict=True)
        ]
        return f"R({number},{json.dumps(environment)},[[{'],['.join(rows)}]]);\n"

    def samples_file(self, number: int, found: Lines) -> bytes:
        """All that was recorded of each measurement of a run, in the order of its rows, a line each."""
        return packed(f"samples/{number}", b"\n".join([b"{%b" % found.rests[at] for at in self._order]))
