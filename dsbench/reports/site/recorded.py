"""Recorded runs as they are needed: one as a whole, of many others the few measurements that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dsbench.baseline import newest_good
from dsbench.history.reading import Heads, Lines, lines
from dsbench.records import Measurement, Run
from dsbench.reports.site.inputs import Stored


class Recorded:
    """Reads runs of a history, each once, and makes objects only of the measurements that are asked for."""

    def __init__(self, results: Path, heads: Heads) -> None:
        self.results, self._heads = results, heads
        self._lines: dict[str, Lines] = {}
        self._made: dict[tuple[str, int], Measurement] = {}

    def whole(self, run: Stored) -> Run:
        """A run with all that it measured.

        Raises:
            HistoryError: its side-car can no longer be read.
            OSError: it cannot be opened.
        """
        found = self._read(run)
        every = (self._measurement(run.key, number) for number in range(len(found.heads)))
        return replace(found.run, measurements=tuple(every))

    def last_good(self, past: Sequence[Stored]) -> list[Measurement]:
        """Of each case and probe, the newest measurement that has numbers, or else the newest.

        Args:
            past: runs, oldest first.

        Raises:
            HistoryError: a side-car can no longer be read.
            OSError: it cannot be opened.
        """
        # Of runs whose lines begin alike, which have the same heads, the newest decides.
        deciding = {id(self._read(run).heads): run for run in past}
        rows = newest_good(
            (head.name, head.probe, head.status, (run.key, number))
            for run in past
            if deciding[id(heads := self._read(run).heads)] is run
            for number, head in enumerate(heads)
        )
        return [self._measurement(*row) for row in rows]

    def _read(self, run: Stored) -> Lines:
        if run.key not in self._lines:
            path = self.results / f"{run.key}.jsonl"
            self._lines[run.key] = lines(path, path.read_bytes(), self._heads)
        return self._lines[run.key]

    def _measurement(self, key: str, number: int) -> Measurement:
        made = self._made.get((key, number))
        if made is None:
            made = self._made[key, number] = self._lines[key].measurement(number)
        return made
