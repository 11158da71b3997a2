"""The cases that a machine is expected to measure: a file of the repository, so that one that silently
disappears from every run still fails the gate, and retiring one shows in a review."""

from __future__ import annotations

import json
from pathlib import Path

from dsbench.records import Case, Environment, Run, dump
from dsbench.registry import select


class ExpectedError(Exception):
    """The file cannot be read or written; the message names it."""


def path_of(results: Path, environment: Environment) -> Path:
    """One file a machine and backend, beside its results."""
    return results / environment.machine / f"expected-{environment.device.backend}.jsonl"


def accept(run: Run, results: Path) -> Path:
    """Declares what a run measured as what is expected from now on.

    Raises:
        ExpectedError: the run was narrowed or cut off, or the file cannot be written.
    """
    measured = {m.case.name: m.case for m in run.measurements}
    narrowed = run.quick or any(run.settings.get(key) for key in ("chosen", "filters", "excludes", "probes"))
    if narrowed or set(run.planned) - measured.keys():
        raise ExpectedError(f"run {run.id} did not measure everything; accept a full `dsbench run`")
    path = path_of(results, run.environment)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(dump(measured[name].to_json()) + "\n" for name in sorted(measured)))
    except OSError as error:
        raise ExpectedError(f"cannot write {path}: {error.strerror}") from None
    return path


def declared(environment: Environment, results: Path) -> list[Case]:
    """The cases that are expected on a machine and backend; none without a file.

    Raises:
        ExpectedError: the file is there and cannot be read.
    """
    path = path_of(results, environment)
    if not path.exists():
        return []
    try:
        return [Case.from_json(json.loads(line)) for line in path.read_text().splitlines()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExpectedError(f"cannot read {path}: {error}; `dsbench gate --accept` writes it") from None


def absent(run: Run, results: Path) -> list[Case]:
    """Expected cases that a run, by its own options, should have measured and did not.

    Raises:
        ExpectedError: the file is there and cannot be read.
    """
    measured = {m.case.name for m in run.measurements}
    cases = [] if run.quick else declared(run.environment, results)
    chosen = run.settings.get("chosen")
    asked = select(cases, run.settings["filters"], run.settings["excludes"])
    return [case for case in asked if case.name not in measured and (not chosen or case.suite in chosen)]
