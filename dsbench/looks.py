"""What somebody has already looked at: a change told before is old, wherever it has moved a little since."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsbench.changes import Shift, key
from dsbench.records import dump
from dsbench.runs import STATE, RunError

SEEN = "seen.jsonl"
"""The file in the working folder; deleting it makes everything new."""


@dataclass(frozen=True)
class Seen:
    """A change as it was told: its series, its direction, and the commit times between which it came."""

    series: tuple[Any, ...]
    up: bool
    after: float
    until: float

    @classmethod
    def of(cls, shift: Shift) -> Seen:
        up = shift.change.size.value > 0
        return cls(key(shift.series), up, shift.last_before.commit_time, shift.first_after.commit_time)

    def same(self, other: Seen) -> bool:
        """Whether both may be the same change: later points move a change a little, and its range narrows."""
        if (self.series, self.up) != (other.series, other.up):
            return False
        return max(self.after, other.after) <= min(self.until, other.until)


class Looks:
    """The changes that were marked as seen in a working folder.

    Raises:
        RunError: the file is there and cannot be read.
    """

    def __init__(self, folder: Path = STATE) -> None:
        self._path = folder / SEEN
        self._seen: dict[tuple[Any, ...], list[Seen]] = {}
        try:
            rows = [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
            for row in rows:
                self._add(Seen(tuple(row["series"]), row["up"], row["after"], row["until"]))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self._path} cannot be read ({error!r}): delete it to look afresh") from None

    def new(self, shift: Shift) -> bool:
        """Whether a change was not told at an earlier look."""
        told = Seen.of(shift)
        return not any(told.same(other) for other in self._seen.get(told.series, ()))

    def mark(self, shifts: Iterable[Shift]) -> None:
        """Remembers changes as seen.

        Raises:
            RunError: the file cannot be written.
        """
        fresh = [Seen.of(shift) for shift in shifts if self.new(shift)]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.writelines(dump(vars(seen)) + "\n" for seen in fresh)
        except OSError as error:
            raise RunError(f"cannot write {self._path}: {error.strerror}") from None
        for seen in fresh:
            self._add(seen)

    def _add(self, seen: Seen) -> None:
        self._seen.setdefault(seen.series, []).append(seen)
