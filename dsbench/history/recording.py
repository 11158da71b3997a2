"""Putting a run on record."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dsbench.history.sidecar import HistoryError, merged, path_of, read
from dsbench.metrics import METRICS, Metric
from dsbench.records import Run

PATIENCE = 120.0
"""Seconds to wait for other recordings into the same folder; one takes well under a second."""


def record(run: Run, results: Path, metrics: Mapping[str, Metric] = METRICS) -> Path:
    """Records a run under its machine, commit and environment; a run recorded there before is merged
    with it. Any number of processes may record at once, and readers never see half a file.

    Returns:
        The side-car's path.

    Raises:
        HistoryError: the run has no commit, or what was recorded before cannot be read or joined.
        OSError: the folder cannot be written, or another process holds it for too long; then nothing
            was changed.
    """
    from filelock import FileLock  # these take a while to import, and reading needs none of them

    from dsbench.history import asv_files

    path = path_of(run, results)
    state = _state(results)
    with FileLock(state / "lock", timeout=PATIENCE):
        whole = merged(read(path), run) if path.exists() else run
        try:
            lines = whole.lines()
        except ValueError as error:
            raise HistoryError(f"run {run.id} cannot be recorded: {error}") from None
        # Reread from its own lines, so that asv's numbers are those of the samples that are kept.
        changed = asv_files.texts(Run.from_lines(lines), results, metrics)
        _replace({path: "".join(line + "\n" for line in lines), **changed}, state)
    return path


def _state(results: Path) -> Path:
    """A folder for the lock and unfinished files: on the same file system, without a name that asv would
    read, and ignored by git in any repository."""
    state = results / ".dsbench"
    state.mkdir(parents=True, exist_ok=True)
    (state / ".gitignore").write_text("*\n")
    return state


def _replace(files: Mapping[Path, str], state: Path) -> None:
    """Writes every file in full (which fails when the disk is full) before any takes its place."""
    with tempfile.TemporaryDirectory(dir=state) as folder:
        finished: list[tuple[Path, Path]] = []
        for path, text in files.items():
            partial = Path(folder, str(len(finished)))
            with partial.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            finished.append((partial, path))
        for partial, path in finished:
            partial.replace(path)
