"""Where runs lie: one JSON-Lines file each under ``.dsbench/runs``, on disk after every case."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from dsbench.records import Run, dump

STATE = Path(".dsbench")
"""dsbench's working folder, below the current one; safe to delete, never committed."""


class RunError(Exception):
    """A run cannot be found, read or written; the message says which and what to do."""


def new_id(commit: str | None) -> str:
    """A name that sorts by time and says what was measured, such as ``20260131-235959-1a2b3c4d-07af``;
    its random end keeps runs of the same second apart."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{(commit or 'unknown')[:8]}-{secrets.token_hex(2)}"


class RunFile:
    """A run's file while it is written. When the disk refuses a line, the run so far and the rest of
    it go to the temporary folder; `path` says where the file is now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: IO[bytes] | None = None
        self._kept = 0

    def append(self, *rows: Mapping[str, Any]) -> None:
        """Writes lines that belong together and hands them to the operating system, so that a crash keeps it.

        Raises:
            RunError: neither the file nor the temporary folder can be written.
        """
        lines = "".join(dump(row) + "\n" for row in rows).encode()
        try:
            self._write(lines)
        except OSError as error:
            self._move(error)
            self._write(lines)

    def _write(self, lines: bytes) -> None:
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            end_last_line(self.path)
            self._stream = self.path.open("ab", buffering=0)
            self._kept = self._stream.tell()
        if self._stream.write(lines) != len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._kept += len(lines)

    def _move(self, refused: OSError) -> None:
        old = self.path
        with contextlib.suppress(OSError):
            self.close()
        try:
            self.path = Path(tempfile.mkdtemp(prefix="dsbench-")) / old.name
            if old.is_file():
                self.path.write_bytes(old.read_bytes()[: self._kept])
        except OSError as error:
            raise RunError(f"cannot write {old} ({refused}) nor a temporary file ({error})") from None

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def __enter__(self) -> RunFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def end_last_line(path: Path) -> None:
    """Cuts off a last line that a crash left unfinished, so that the next one starts afresh."""
    if not path.is_file():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def read(path: Path) -> Run:
    """Reads one run.

    Raises:
        RunError: the file is not there, cannot be read, or is not a run.
    """
    try:
        return Run.from_lines(path.read_text(encoding="utf-8").split("\n"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a run that can be read: {error}") from None


def paths(folder: Path = STATE) -> list[Path]:
    """The files of every run of this working folder, oldest first."""
    return sorted((folder / "runs").glob("*.jsonl"), key=_age)


def _age(path: Path) -> tuple[str, float]:
    """The second in which a run began, and of those of one second when it was written last."""
    try:
        return path.stem[:15], path.stat().st_mtime
    except OSError:  # it was deleted meanwhile
        return path.stem[:15], 0.0


def save(run: Run, name: str, folder: Path = STATE) -> Path:
    """Keeps a run under a name, replacing what had it before.

    Raises:
        RunError: the name is not a file name, or the folder cannot be written.
    """
    if not name or name != Path(name).name or name.startswith("."):
        raise RunError(f"'{name}' is no name to save under: use letters, digits, '-' and '_'")
    target = folder / "saved" / f"{name}.jsonl"
    partial = target.with_suffix(".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("".join(line + "\n" for line in run.lines()), encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise RunError(f"cannot save under {target}: {error.strerror}") from None
    return target


def find(reference: str, folder: Path = STATE) -> Run | None:
    """The run that a reference names: ``latest``, a file, a saved name, or an id or its beginning;
    None when it names none.

    Raises:
        RunError: it names a file that cannot be read, or the ids of several runs.
    """
    known = paths(folder)
    if reference == "latest":
        return read(known[-1]) if known else None
    if Path(reference).is_file():
        return read(Path(reference))
    saved = folder / "saved" / f"{reference}.jsonl"
    if saved.is_file():
        return read(saved)
    begins = [path for path in known if path.stem.startswith(reference)]
    exact = [path for path in begins if path.stem == reference]
    if len(begins) > 1 and not exact:
        raise RunError(f"'{reference}' is the beginning of {len(begins)} runs: give more of the id")
    return read((exact or begins)[0]) if begins else None
