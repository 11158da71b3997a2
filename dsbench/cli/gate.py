"""`dsbench gate`: did anything get worse?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.options import format_option, output_option, results_option, write
from dsbench.cli.references import history_of, newest, resolve

if TYPE_CHECKING:
    from dsbench.gate import Verdict
    from dsbench.records import Measurement, Run


@click.command(
    epilog="""\b
Examples:
  dsbench gate                               the newest run against the previous commit
  dsbench gate --baseline main               against what was recorded for a git revision
  dsbench gate --baseline before             against a run saved with dsbench run --save before
  dsbench gate --accept                      from now on a case of this run that is absent is missing
  dsbench gate --format markdown -o gate.md  for a comment on a pull request
  dsbench gate --format github               annotations of a workflow's run"""
)
@click.argument("reference", default="", metavar="[RUN]")
@click.option(
    "--baseline",
    default="",
    metavar="NAME|REV|FILE",
    help="What to hold the run against.  [default: the previous commit of each series]",
)
@click.option("-k", "--filter", "filters", multiple=True, metavar="REGEX", help="Judge only matching cases.")
@click.option(
    "--exclude",
    "excludes",
    multiple=True,
    metavar="REGEX",
    help="Leave out matching cases, such as ones that were retired on purpose.",
)
@click.option(
    "--min-effect",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="A smaller relative change is never called worse.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1),
    default=0.10,
    show_default=True,
    help="A case that is surely no further than this from before is the same.",
)
@click.option(
    "--accept",
    is_flag=True,
    help="Write the cases of the run to a file of the results; one that is absent later is missing.",
)
@click.option("--strict", is_flag=True, help="Exit with 5 when something is inconclusive.")
@click.option("--allow-unlike", is_flag=True, help="Judge although the runs are of different devices.")
@click.option("-v", "--verbose", is_flag=True, help="List the cases that are the same, too.")
@results_option
@format_option("table", "markdown", "json", "junit", "github")
@output_option
def gate(reference: str, baseline: str, **options: Any) -> None:
    """Judge the newest run (or RUN) against the previous commit of each series.

    A case that used to be measured and is now wrong, failing or absent is never silent.
    """
    from dsbench.baseline import earlier, expected, last_good, same_place, usual_changes
    from dsbench.environment import difference
    from dsbench.gate import Policy, exit_code, judge
    from dsbench.reports import render_verdicts

    recorded = history_of(options["results"])
    new = resolve(reference, recorded) if reference else newest(recorded)
    if new is None:
        raise NothingMeasuredError("there is no run to judge: `dsbench run` makes one")
    if options["accept"]:
        click.echo(f"expected from now on: the cases in {_accept(new, options['results'])}", err=True)
        return
    past = earlier(recorded, new)
    usual: dict[tuple[str, str], float] = {}
    if baseline:
        old = resolve(baseline, recorded, like=new)
        differences = difference(old.environment, new.environment)
        if not same_place(old, new) and not options["allow_unlike"]:
            listed = ", ".join(f"{name} {a} -> {b}" for name, (a, b) in differences.items())
            raise RefusedError(
                f"the runs are not alike ({listed}): pass --allow-unlike to judge all the same"
            )
        before: list[Measurement] = list(old.measurements)
    else:
        if not past:
            place = f"{new.environment.machine}, {new.environment.name}"
            click.echo(f"note: the history holds nothing earlier for {place}: everything is new", err=True)
        before = last_good(past)
        differences = difference(past[-1].environment, new.environment) if past else {}
        usual = usual_changes(past)
    after = _wanted(new.measurements, options)
    before = expected(_wanted(before, options), new)
    policy = Policy(options["min_effect"], options["margin"], strict=options["strict"])
    verdicts = judge(after, before, policy, usual)
    verdicts = [*_absent(new, options, {verdict.case.name for verdict in verdicts}), *verdicts]
    code = exit_code(verdicts, policy.strict)
    if new.suite_errors:
        for suite, message in new.suite_errors.items():
            click.echo(f"error: suite {suite} could not be imported: {message}", err=True)
        code = exits.worst([code, exits.FAILED])
    text = render_verdicts(
        verdicts,
        options["style"],
        exit_code=code,
        difference=differences,
        verbose=options["verbose"],
    )
    write(text, options["output"])
    sys.exit(code)


def _accept(run: Run, results: Path) -> Path:
    from dsbench.expected import ExpectedError, accept

    try:
        return accept(run, results)
    except ExpectedError as error:
        raise RefusedError(str(error)) from None


def _absent(run: Run, options: dict[str, Any], judged: set[str]) -> list[Verdict]:
    """Expected cases that neither the run nor what it is held against has."""
    from dsbench.expected import ExpectedError, absent
    from dsbench.gate import Outcome, Verdict
    from dsbench.registry import select

    try:
        cases = select(absent(run, options["results"]), options["filters"], options["excludes"])
    except ExpectedError as error:
        raise RefusedError(str(error)) from None
    reason = "expected, and not in the run; `dsbench gate --accept` after a run retires it"
    return [Verdict(Outcome.MISSING, case, reason=reason) for case in cases if case.name not in judged]


def _wanted(measurements: Any, options: dict[str, Any]) -> list[Measurement]:
    import re

    from dsbench.registry import select

    found = list(measurements)
    try:
        kept = set(select({m.case for m in found}, options["filters"], options["excludes"]))
    except re.error as error:
        raise RefusedError(f"'{error.pattern!s}' is not a regular expression: {error}") from None
    return [m for m in found if m.case in kept]
