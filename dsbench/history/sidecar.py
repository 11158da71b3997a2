"""The side-car: a recorded run in the run file's own format, one for a machine, commit and environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dsbench.environment import difference
from dsbench.records import Measurement, Run, Scalar


class HistoryError(Exception):
    """A run cannot be recorded, or what was recorded cannot be used; one line that says what to do."""


def path_of(run: Run, results: Path) -> Path:
    """Where a run's side-car lies; asv's file has the same name but for its ending.

    Raises:
        HistoryError: the run has no commit, or its machine's name cannot name a folder.
    """
    environment = run.environment
    if environment.commit is None or environment.commit_time is None:
        raise HistoryError(f"run {run.id} has no commit: history needs a run made inside a git repository")
    machine = environment.machine
    if not machine or machine != Path(machine).name or machine.startswith("."):
        raise HistoryError(f"machine '{machine}' cannot name a folder: use letters and digits")
    return results / machine / f"{environment.commit[:8]}-{environment.name}.jsonl"


def read(path: Path) -> Run:
    """Reads a side-car.

    Raises:
        HistoryError: it is not whole, or not a recorded run.
        OSError: it cannot be opened.
    """
    try:
        # Iterated, not split: `str.splitlines` would also break at U+2028, which JSON leaves as it is.
        with path.open(encoding="utf-8") as stream:
            lines = [line for line in stream if line.strip()]
        run = Run.from_lines(lines)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, str(error)) from None
    # A side-car is written at once, so a line that the reader passed over was damaged later.
    if len(lines) != 1 + len(run.measurements) + (run.ended is not None):
        raise unreadable(path, "its last line is cut off")
    if run.environment.commit is None or run.environment.commit_time is None:
        raise unreadable(path, "it has no commit")
    return run


def unreadable(path: Path, reason: str) -> HistoryError:
    """The error for a file that is there but cannot be understood."""
    return HistoryError(f"{path}: {reason}; restore it, or move it away and record its runs again")


def merged(old: Run, new: Run) -> Run:
    """A recorded run with a newer one put over it: the newer measurement of a (case, probe) replaces the
    older one. Those that stay note the `run` they come from, and in `environment` whatever differed then.

    Raises:
        HistoryError: they are of different commits or devices, so that they must not share a file.
    """
    for what, before, after in (
        ("commit", old.environment.commit, new.environment.commit),
        ("device", old.environment.device.name, new.environment.device.name),
    ):
        if before != after:
            raise HistoryError(
                f"{what} '{after}' would mix with the results of {what} '{before}' under the same name "
                f"on '{new.environment.machine}': record it under another machine name"
            )
    origin: dict[str, Scalar] = {"run": old.id}
    if changed := difference(old.environment, new.environment):
        origin["environment"] = ", ".join(f"{name} {before}" for name, (before, _) in changed.items())
    latest = {(m.case, m.probe): _noting(m, origin) for m in old.measurements}
    latest |= {(m.case, m.probe): m for m in new.measurements}
    return replace(
        new,
        planned=tuple(dict.fromkeys((*old.planned, *new.planned))),
        baselines={**old.baselines, **new.baselines},
        measurements=tuple(latest.values()),
    )


def _noting(measurement: Measurement, origin: Mapping[str, Scalar]) -> Measurement:
    return replace(measurement, notes={**origin, **measurement.notes})
