"""The newest lines of cases, which wait until the files of these are written anew.

A case's file has its whole past, and to write all of them for a line each would be most of a build after one
commit. So lines wait in a few files that cases share, until the turn of a case has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

CASE = '\nL("'
"""What stands before the id of a case, and nowhere else: no string holds a line feed."""


class Late:
    """The waiting lines: those of the last build, and those that this one adds. The cases whose ids have the
    first digit in common share a file.

    Args:
        old: the site of the last build, None for none.
        stage: this build's.
    """

    def __init__(self, old: Path | None, stage: Path) -> None:
        self._folder = stage / "data" / "late"
        self._waiting: dict[str, str] = {}  # by case, each line after a line feed
        for path in () if old is None else (old / "data" / "late").glob("*.js"):
            _, *parts = path.read_text(encoding="utf-8").split(CASE)
            self._waiting |= {name: rest for name, _, rest in (part.partition('");') for part in parts)}

    def lines(self, identity: str) -> list[str]:
        """What waits for the file of a case."""
        return self._waiting.get(identity, "").split("\n")[1:]

    def add(self, identity: str, lines: Sequence[str]) -> None:
        """Lets lines wait for the file of a case."""
        self._waiting[identity] = "\n".join([self._waiting.get(identity, ""), *lines])

    def drop(self, identity: str) -> None:
        """Forgets what waits for the file of a case."""
        self._waiting.pop(identity, None)

    def write(self) -> list[str]:
        """Writes the files, and says for cases of which first digits there is one."""
        self._folder.mkdir()
        files: dict[str, list[str]] = {}
        for identity, lines in sorted(self._waiting.items()):
            files.setdefault(identity[0], []).append(f'{CASE}{identity}");{lines}')
        for digit, parts in files.items():
            told = f'dsbench.take("late/{digit}",{{}});{"".join(parts)}'
            (self._folder / f"{digit}.js").write_text(told, encoding="utf-8")
        return list(files)
