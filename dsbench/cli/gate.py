"""`dsbench gate`: did anything get worse?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.conclusion import acknowledge, conclude, judged_run
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.gate_measured import LAST_GREEN, gate_now, green, measure_alarms, missing
from dsbench.cli.measuring import FEWEST_PAIRS, WITH_MEASURE, measuring_options, refuse_without_measure
from dsbench.cli.options import format_option, output_option, quick_option, results_option, suites_option
from dsbench.cli.references import history_of, newest, resolve

if TYPE_CHECKING:
    from dsbench.gate import Verdict
    from dsbench.records import Measurement, Run

STORED, MEASURED = (0.05, 0.10), (0.01, 0.02)
"""--min-effect and --margin by default, of stored runs (which differ by the machine's drift too) and of
sides measured in turns."""

MEASURING = ("folder", "quick", "limit", "seed", "timeout", "affinity", "backend", "device")
"""Options that mean nothing without --measure."""


@click.command(
    epilog="""\b
Examples:
  dsbench gate                               the newest run against the previous commit
  dsbench gate --baseline main               against what was recorded for a git revision
  dsbench gate --baseline last-green         against the newest recorded run that was good
  dsbench gate --baseline before             against a run saved with dsbench run --save before
  dsbench gate --measure --baseline main     the working tree against main, both measured now, in turns
  dsbench gate latest --measure              what the newest run raises, confirmed by measuring in turns
  dsbench gate --accept                      from now on a case of this run that is absent is missing
  dsbench gate --format markdown -o gate.md  for a comment on a pull request
  dsbench gate --format github               annotations of a workflow's run"""
)
@click.argument("reference", default="", metavar="[RUN]")
@click.option(
    "--baseline",
    default="",
    metavar="NAME|REV|FILE|last-green",
    help="What to hold the run against.  [default: the previous commit of each series]",
)
@click.option(
    "--measure",
    is_flag=True,
    help="With RUN: measure its alarms again, in turns. Without: measure --baseline and the working tree.",
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
    help="A smaller relative change is never called worse.  [default: 0.05; 0.01 with --measure and no RUN]",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1),
    help="A case that is surely no further than this from before is the same.  [default: 0.1; 0.02 with "
    "--measure and no RUN]",
)
@click.option(
    "--accept",
    is_flag=True,
    help="Write the cases of the run to a file of the results; one that is absent later is missing.",
)
@click.option("--strict", is_flag=True, help="Exit with 5 when something is inconclusive.")
@click.option("--allow-unlike", is_flag=True, help="Judge although the runs are of different devices.")
@suites_option
@quick_option
@measuring_options(600.0, FEWEST_PAIRS, WITH_MEASURE)
@click.option("-v", "--verbose", is_flag=True, help="List the cases that are the same, too.")
@results_option
@format_option("table", "markdown", "json", "junit", "github")
@output_option
def gate(reference: str, baseline: str, **options: Any) -> None:
    """Judge the newest run (or RUN) against the previous commit of each series.

    A case that used to be measured and is now wrong, failing or absent is never silent. With --measure,
    what is judged is measured in pairs of processes that take turns, as by `compare --measure`.
    """
    from dsbench.baseline import earlier, expected, last_good, usual_changes
    from dsbench.environment import difference
    from dsbench.gate import Policy, judge

    everything_anew = options["measure"] and not reference
    for name, value in zip(("min_effect", "margin"), MEASURED if everything_anew else STORED, strict=True):
        options[name] = value if options[name] is None else options[name]
    if everything_anew:
        gate_now(baseline, options)
    if not options["measure"]:
        stored = {name for name in click.get_current_context().params if name not in MEASURING}
        refuse_without_measure(click.get_current_context(), stored, "without it, stored runs are judged")
    recorded = history_of(options["results"])
    new = resolve(reference, recorded) if reference else newest(recorded)
    if new is None:
        raise NothingMeasuredError("there is no run to judge: `dsbench run` makes one")
    if options["accept"]:
        click.echo(f"expected from now on: the cases in {_accept(new, options['results'])}", err=True)
        return
    policy = Policy(options["min_effect"], options["margin"], strict=options["strict"])
    past = earlier(recorded, new)
    named = bool(baseline) and baseline != LAST_GREEN
    usual = {} if named else usual_changes(past)
    if named:
        past = [_named(baseline, recorded, new, options)]
    elif baseline:
        past = green(past, policy, usual, options["results"])
    if not past:
        place = f"{new.environment.machine}, {new.environment.name}"
        what = "nothing that was good" if baseline else "nothing earlier"
        click.echo(f"note: the history holds {what} for {place}: everything is new", err=True)
    before = expected(_wanted(last_good(past), options), new)
    verdicts = judge(_wanted(new.measurements, options), before, policy, usual)
    verdicts = [*_absent(new, options, {verdict.case.name for verdict in verdicts}), *verdicts]
    interruption = 0
    judged = judged_run(new, past[-1].environment.commit or "" if past else "")
    if options["measure"]:
        marked = acknowledge(verdicts, judged, options["results"])
        verdicts, interruption = measure_alarms(marked, past, new, options)
    for suite, message in new.suite_errors.items():
        click.echo(f"error: suite {suite} could not be imported: {message}", err=True)
    conclude(
        verdicts,
        judged,
        options,
        codes=[exits.FAILED] if new.suite_errors else [],
        interruption=interruption,
        difference=difference(past[-1].environment, new.environment) if past else {},
    )


def _named(baseline: str, recorded: list[Run], new: Run, options: dict[str, Any]) -> Run:
    """The run that --baseline names.

    Raises:
        RefusedError: there is none, or it is of another device.
    """
    from dsbench.baseline import same_place
    from dsbench.environment import difference

    old = resolve(baseline, recorded, like=new)
    if not same_place(old, new) and not options["allow_unlike"]:
        differences = difference(old.environment, new.environment)
        listed = ", ".join(f"{name} {a} -> {b}" for name, (a, b) in differences.items())
        raise RefusedError(f"the runs are not alike ({listed}): pass --allow-unlike to judge all the same")
    return old


def _accept(run: Run, results: Path) -> Path:
    from dsbench.expected import ExpectedError, accept

    try:
        return accept(run, results)
    except ExpectedError as error:
        raise RefusedError(str(error)) from None


def _absent(run: Run, options: dict[str, Any], judged: set[str]) -> list[Verdict]:
    """Expected cases that neither the run nor what it is held against has."""
    from dsbench.expected import ExpectedError, absent

    try:
        return missing(absent(run, options["results"]), options, judged)
    except ExpectedError as error:
        raise RefusedError(str(error)) from None


def _wanted(measurements: Any, options: dict[str, Any]) -> list[Measurement]:
    import re

    from dsbench.registry import select

    found = list(measurements)
    try:
        kept = set(select({m.case for m in found}, options["filters"], options["excludes"]))
    except re.error as error:
        raise RefusedError(f"'{error.pattern!s}' is not a regular expression: {error}") from None
    return [m for m in found if m.case in kept]
