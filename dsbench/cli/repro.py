"""`dsbench repro`: one measurement once more."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsbench.cli.exits import RefusedError
from dsbench.cli.options import results_option
from dsbench.cli.references import history_of
from dsbench.cli.run import outcome, run, show, verify
from dsbench.cli.session import measure, new

if TYPE_CHECKING:
    from dsbench.records import Environment, Measurement, Run


@click.command(
    epilog="""\b
Examples:
  dsbench report --format json      every measurement's id, and the command that repeats it
  dsbench repro 1a2b3c4d5e          measure that case again, as it was measured then
  dsbench repro 1a2b --dry-run      only print the command; the beginning of an id will do"""
)
@click.argument("measurement", metavar="ID")
@results_option
@click.option("--dry-run", is_flag=True, help="Print the command, and stop.")
def repro(measurement: str, results: Path, dry_run: bool) -> None:
    """Repeat the measurement ID with the options it was made with, and set then beside now.

    The measurement is looked for in the runs kept here, the saved ones and the history. The same seed
    and rounds give the same inputs; the order in which candidates take turns also depends on which
    others were measured. Exits like `run`, and puts nothing into the history.
    """
    from dsbench.records import run_of
    from dsbench.reports.repeat import command
    from dsbench.reports.then_now import then_and_now

    then, old = _found(measurement, results)
    words = command(then, old.case)
    origin = run_of(then, old)
    if origin != then.id:
        click.echo(
            f"warning: run {origin} is no longer kept; the options are those of run {then.id}, which was "
            "recorded over it",
            err=True,
        )
    if dry_run:
        click.echo(shlex.join(words))
        return
    click.echo(f"repeat   {shlex.join(words)}", err=True)
    # Through the parser, so that what is printed is what is done.
    _, name, *arguments = words
    again = {"run": run, "verify": verify}[name]
    context = again.make_context(name, list(arguments))
    if again is verify:
        with context:
            verify.invoke(context)
        return
    session = new(context.params)
    _say_differences(then.environment, session.environment)
    result, path, code = measure(session)
    show(result, path, context.params["style"], None)
    click.echo("\n" + then_and_now(then, old, result), nl=False)
    sys.exit(code or outcome(result))


def _found(wanted: str, results: Path) -> tuple[Run, Measurement]:
    """The measurement with that id, or the only one whose id begins so, and a run that holds it: the
    one that took it, if that is still kept.

    Raises:
        RefusedError: there is none, or there are several.
    """
    from dsbench.records import identity, run_of

    if not wanted:
        raise RefusedError("give a measurement's id; `dsbench report --format json` shows them")
    found: dict[str, tuple[Run, Measurement]] = {}
    for kept in [*_kept_here(), *history_of(results)]:
        for measurement in kept.measurements:
            name = identity(kept, measurement)
            if name.startswith(wanted) and (name not in found or run_of(kept, measurement) == kept.id):
                found[name] = (kept, measurement)
    if len(found) > 1:
        raise RefusedError(f"'{wanted}' is the beginning of {len(found)} measurements' ids: give more of it")
    if not found:
        raise RefusedError(
            f"no measurement kept here has the id '{wanted}'; `dsbench report --format json` shows ids"
        )
    return next(iter(found.values()))


def _kept_here() -> list[Run]:
    """Every run of this working folder, the saved ones too; what cannot be read is named and passed over."""
    from dsbench import runs

    found: list[Run] = []
    for path in (*runs.paths(), *sorted((runs.STATE / "saved").glob("*.jsonl"))):
        try:
            found.append(runs.read(path))
        except runs.RunError as error:
            click.echo(f"warning: {error}", err=True)
    return found


def _say_differences(then: Environment, now: Environment) -> None:
    """Says on stderr what is not as it was."""
    from dsbench.environment import difference

    for name, (before, after) in difference(then, now).items():
        click.echo(f"differs  {name}: {before} then, {after} now", err=True)
    if then.commit != now.commit:
        old, new_one = ((commit or "none")[:8] for commit in (then.commit, now.commit))
        get_it = f"; to go back to it: git checkout {then.commit}" if then.commit else ""
        click.echo(f"differs  commit: {old} then, {new_one} now{get_it}", err=True)
    if then.dirty or now.dirty:
        when = "then and now" if then.dirty and now.dirty else "then" if then.dirty else "now"
        click.echo(f"differs  the working tree had changes that no commit holds, {when}", err=True)
