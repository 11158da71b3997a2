"""`dsbench gate --measure`: all cases held against a revision, or alarms of a stored run confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dsbench.cli import exits
from dsbench.cli.conclusion import acknowledge, conclude, judged_run, place_of
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.references import history_of

if TYPE_CHECKING:
    from dsbench.gate import Policy, Verdict
    from dsbench.records import Case, Environment, Run

LAST_GREEN = "last-green"
"""What --baseline calls the newest recorded run in which the gate finds nothing."""


def gate_now(baseline: str, options: Mapping[str, Any]) -> NoReturn:
    """Holds the working tree against a revision, both measured now, and leaves with the exit code.

    Raises:
        RefusedError: the options do not go together, or name nothing.
        NothingMeasuredError: there is nothing good in the history, no device or no case.
    """
    from dsbench.cli.measured import compare_now, look_at_device
    from dsbench.environment import commit_of
    from dsbench.expected import ExpectedError, declared
    from dsbench.gate import Judged

    if not baseline:
        raise RefusedError("--measure without a RUN needs a --baseline revision (or a RUN, such as latest)")
    if options["accept"]:
        raise RefusedError("--accept is of a stored run, and --measure without a RUN has none")
    environment = look_at_device(options)
    if baseline == LAST_GREEN:
        baseline = _last_green(environment, options["results"])
    done = compare_now(baseline, ".", options, environment)
    try:
        cases = [] if options["quick"] else declared(environment, options["results"])
    except ExpectedError as error:
        raise RefusedError(str(error)) from None
    conclude(
        [*missing(cases, options, {verdict.case.name for verdict in done.verdicts}), *done.verdicts],
        Judged(place_of(environment), "", commit_of(Path.cwd(), baseline) or ""),
        options,
        interruption=done.interruption,
    )


def measure_alarms(
    verdicts: Sequence[Verdict], past: Sequence[Run], new: Run, options: Mapping[str, Any]
) -> tuple[list[Verdict], int]:
    """Measures what a gate of stored runs found worse or broken again, against the revision that each was
    held against.

    Args:
        verdicts: those of the gate; acknowledged ones and those that are bad whatever was before are left as
            they are.
        past: what the run was held against.

    Returns:
        All verdicts, and 130 or 143 when a signal cut it short, else 0.

    Raises:
        RefusedError: the run's code is no longer there, or this is another device than the run's.
    """
    from dsbench.baseline import source_of
    from dsbench.cli.measured import recheck_now
    from dsbench.gate import Outcome
    from dsbench.versus import ordered

    alarms: dict[str, list[Verdict]] = {}
    rest: list[Verdict] = []
    for verdict in verdicts:
        left = verdict.acknowledged or verdict.standing
        raised = verdict.outcome in (Outcome.WORSE, Outcome.BROKEN) and not left
        source = source_of(past, verdict.case.name) if raised else None
        commit = source.environment.commit if source else None
        alarms.setdefault(commit, []).append(verdict) if commit else rest.append(verdict)
    if not alarms:
        click.echo("no alarm to measure again", err=True)
        return list(verdicts), exits.OK
    now = _revision_of(new)
    folder = options["folder"] or (Path(chosen) if (chosen := new.settings["suites"]) else None)
    device = new.environment.device
    here = {**options, "folder": folder, "backend": device.backend, "device": str(device.index)}
    interruption = exits.OK
    for commit, raised_there in alarms.items():
        if interruption:
            rest += raised_there
            continue
        done = recheck_now(commit, now, raised_there, here, new.environment)
        rest += done.verdicts
        interruption = done.interruption
    return ordered(rest), interruption


def green(
    past: list[Run], policy: Policy, usual: Mapping[tuple[str, str], float], results: Path
) -> list[Run]:
    """The runs of the past in which the gate finds nothing, oldest first; says on stderr which the last
    is."""
    from dsbench.baseline import expected, green_runs, last_good
    from dsbench.gate import is_green, judge

    def finds_nothing(run: Run, before: list[Run]) -> bool:
        verdicts = judge(run.measurements, expected(last_good(before), run), policy, usual)
        judged = judged_run(run, before[-1].environment.commit or "" if before else "")
        return is_green(acknowledge(verdicts, judged, results)) and not run.suite_errors

    found = green_runs(past, finds_nothing)
    if found:
        commit = (found[-1].environment.commit or "unknown")[:8]
        click.echo(f"last green: commit {commit}, {len(past) - len(found)} earlier runs left out", err=True)
    return found


def missing(cases: Iterable[Case], options: Mapping[str, Any], judged: set[str]) -> list[Verdict]:
    """Verdicts on the expected cases that were not judged, as far as the filters ask for them."""
    from dsbench.gate import Outcome, Verdict
    from dsbench.registry import select

    reason = "expected, and not in the run; `dsbench gate --accept` after a run retires it"
    return [
        Verdict(Outcome.MISSING, case, reason=reason)
        for case in select(cases, options["filters"], options["excludes"])
        if case.name not in judged
    ]


def _last_green(environment: Environment, results: Path) -> str:
    """The commit of the newest green run that was recorded where this is, before what is checked out."""
    from dsbench.baseline import earlier, usual_changes
    from dsbench.gate import Policy
    from dsbench.records import Run

    past = earlier(history_of(results), Run("", 0.0, environment))
    found = green(past, Policy(), usual_changes(past), results)
    if not found:
        raise NothingMeasuredError(f"the history holds nothing that was good for {place_of(environment)}")
    return str(found[-1].environment.commit)


def _revision_of(run: Run) -> str:
    """What to build to measure a run's code again.

    Raises:
        RefusedError: it was of uncommitted changes on another commit than this one, or of no commit.
    """
    from dsbench.environment import commit_of

    commit = run.environment.commit
    if commit and not run.environment.dirty:
        return commit
    if commit and commit == commit_of(Path.cwd(), "HEAD"):
        return "."
    raise RefusedError(
        f"run {run.id} is of uncommitted changes that are not here: measure it again where it was made"
    )
