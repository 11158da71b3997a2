"""From what a user types (a run, a name, a file, a git revision) to measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsbench.cli.exits import RefusedError

if TYPE_CHECKING:
    from dsbench.records import Run


def history_of(results: Path) -> list[Run]:
    """Every recorded run; files that cannot be read are named on stderr and passed over."""
    from dsbench.history import recorded

    found, problems = recorded(results)
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    return found


def newest(recorded: list[Run]) -> Run | None:
    """The run of this working folder that ended last, or else the newest of the history."""
    from dsbench import runs

    for path in reversed(runs.paths()):
        try:
            found = runs.read(path)
        except runs.RunError as error:
            click.echo(f"warning: {error}", err=True)
            continue
        # What verify and profile leave holds no numbers to judge.
        if found.ended is not None and not (found.settings["budget"]["once"] or found.settings.get("traces")):
            return found
    return recorded[-1] if recorded else None


def resolve(reference: str, recorded: list[Run], like: Run | None = None) -> Run:
    """The run that a reference names: ``latest``, a file, a saved name, a run's id, or a git revision
    with a recorded run; of several at that revision, the one measured like `like`.

    Raises:
        RefusedError: it names nothing, or something that cannot be read.
    """
    from dsbench import runs
    from dsbench.baseline import same_place
    from dsbench.environment import commit_of

    try:
        found = runs.find(reference)
    except runs.RunError as error:
        raise RefusedError(str(error)) from None
    if found is not None:
        return found
    commit = commit_of(Path.cwd(), reference)
    there = [run for run in recorded if commit and run.environment.commit == commit]
    if like is not None:
        alike = [run for run in there if same_place(run, like)]
        there = alike or there
    if there:
        return there[-1]
    if commit:
        raise RefusedError(f"nothing is recorded for '{reference}' (commit {commit[:8]}): run it there first")
    raise RefusedError(
        f"'{reference}' is no run, saved name, file or git revision; see `dsbench history --runs`"
    )
