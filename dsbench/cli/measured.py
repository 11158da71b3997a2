"""Two revisions measured now, in pairs of processes that take turns: `compare --measure`, `gate --measure`
and `bisect` all come here."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.options import device_index, find_cases, find_suites, report_broken

if TYPE_CHECKING:
    from dsbench.gate import Verdict
    from dsbench.pairs import Pair, Side
    from dsbench.records import Case, Environment
    from dsbench.versus import Versus


@dataclass
class Compared:
    """What came of measuring: the verdicts, where, and 130 or 143 when a signal cut it short, else 0."""

    environment: Environment
    verdicts: list[Verdict] = field(default_factory=list)
    interruption: int = 0


def compare_now(
    a: str, b: str, options: Mapping[str, Any], environment: Environment | None = None
) -> Compared:
    """Builds both sides and measures all their cases, where the options say unless the environment is known.

    Raises:
        RefusedError: a revision or an option cannot be what it is.
        NothingMeasuredError: the device is not here, or there is no case.
    """
    from dsbench.gate import Outcome, Verdict

    done = Compared(environment or look_at_device(options))
    sides, failures = build_sides((a, b), options)
    known = [cases_of(side, done.environment, options) for side in sides if side]
    everything = {name: case for cases in known for name, case in cases.items()}
    if not everything:
        raise NothingMeasuredError("; ".join(failures) or "there is no case to compare")
    if failures:
        reason = "; ".join(failures)
        done.verdicts = [Verdict(Outcome.UNBUILT, case, reason=reason) for case in everything.values()]
        return done
    both = [case for name, case in everything.items() if all(name in cases for cases in known)]
    one_sided = [
        Verdict(outcome, case, reason=f"only {side} has it")
        for outcome, side, mine, other in (
            (Outcome.MISSING, a, known[0], known[1]),
            (Outcome.NEW, b, known[1], known[0]),
        )
        for name, case in mine.items()
        if name not in other
    ]
    click.echo(f"comparing {len(both)} cases of {a} and {b} in pairs of processes", err=True)
    versus = _measure(a, b, sides, both, done, options, lambda versus: versus.run() if both else None)
    done.verdicts = [*one_sided, *versus.verdicts()]
    return done


def recheck_now(
    a: str, b: str, alarms: Sequence[Verdict], options: Mapping[str, Any], where: Environment
) -> Compared:
    """Builds both sides and measures again what a gate of stored results found: the verdicts are those of
    the alarms, in their order, which were raised `where`.

    Raises:
        RefusedError: a revision or an option cannot be what it is, or this is another device.
        NothingMeasuredError: the device is not here.
    """
    from dataclasses import replace

    done = Compared(look_at_device(options))
    here = done.environment.device.name
    if here != where.device.name:
        raise RefusedError(f"the alarms are of {where.device.name} and this is {here}: measure them there")
    sides, failures = build_sides((a, b), options)
    if failures:
        told = f"not measured again: {'; '.join(failures)}"
        done.verdicts = [replace(alarm, reason=f"{alarm.reason}; {told}") for alarm in alarms]
        return done
    click.echo(f"measuring {len(alarms)} alarms again, {a} against {b} in pairs of processes", err=True)
    cases = list(dict.fromkeys(alarm.case for alarm in alarms))
    versus = _measure(a, b, sides, cases, done, options, lambda versus: versus.recheck(alarms))
    done.verdicts = versus.rechecked(alarms)
    return done


def look_at_device(options: Mapping[str, Any]) -> Environment:
    """The environment of the device that is measured on.

    Raises:
        NothingMeasuredError: it is not here.
    """
    from dsbench.cli.session import look_at

    index = device_index(options["device"])
    return look_at(options["backend"], index, "", str(options["results"]), options["affinity"])


def build_sides(names: Sequence[str], options: Mapping[str, Any]) -> tuple[list[Side | None], list[str]]:
    """Sides made ready to be measured, None in place of one that cannot be built, and why.

    Raises:
        RefusedError: there is no such revision.
    """
    from dsbench.revisions import BuildError

    sides: list[Side | None] = []
    failures = []
    for name in names:
        try:
            sides.append(build_side(name, options))
        except BuildError as error:
            sides.append(None)
            failures.append(f"{name} cannot be built: {error}")
    return sides, failures


def build_side(name: str, options: Mapping[str, Any]) -> Side:
    """A side made ready to be measured.

    Raises:
        RefusedError: there is no such revision.
        BuildError: it cannot be built.
    """
    from dsbench import runs
    from dsbench.registry import builtin_suites
    from dsbench.revisions import RevisionError, build

    try:
        return build(name, options["folder"] or builtin_suites(), runs.STATE, Path.cwd())
    except RevisionError as error:
        raise RefusedError(str(error)) from None


def cases_of(side: Side, environment: Environment, options: Mapping[str, Any]) -> dict[str, Case]:
    """The cases of a side that are timed, by name."""
    suites = find_suites(side.suites, options.get("chosen", ()))
    report_broken(suites)
    backend = environment.device.backend
    found = find_cases(suites, backend, options["quick"], options["filters"], options["excludes"])
    timed = [case for case in found if "latency" in suites[case.suite].benchmarks[case.benchmark].probes]
    return {case.name: case for case in timed}


@contextmanager
def kept_pairs(a: str, b: str, options: Mapping[str, Any]) -> Iterator[Callable[[Pair, bool], None]]:
    """What keeps each pair in a file as soon as it is measured, and says so on stderr.

    Raises:
        RefusedError: the pairs can be written nowhere.
    """
    from dsbench import runs
    from dsbench.environment import commit_of

    path = runs.STATE / "comparisons" / f"{runs.new_id(commit_of(Path.cwd(), b))}.jsonl"
    signal.signal(signal.SIGTERM, _terminate)
    with runs.RunFile(path) as file:

        def keep(pair: Pair, confirming: bool) -> None:
            file.append({**pair.to_json(), "confirming": confirming})
            said = "failed" if pair.problems else f"{math.expm1(pair.log_ratio):+.2%}"
            kind = " (A against itself)" if pair.control else " (again)" if confirming else ""
            click.echo(f"pair {pair.number + 1}: {pair.case}{kind}: {said}", err=True)

        try:
            file.append(
                {"type": "comparison", "a": a, "b": b, "started": time.time(), "seed": options["seed"]}
            )
            yield keep
        except runs.RunError as error:
            raise RefusedError(str(error)) from None
        except KeyboardInterrupt:
            click.echo(f"interrupted; the pairs so far are in {file.path}", err=True)
            raise


def _measure(
    a: str,
    b: str,
    sides: Sequence[Side | None],
    cases: Sequence[Case],
    done: Compared,
    options: Mapping[str, Any],
    work: Callable[[Versus], None],
) -> Versus:
    """Carries out the work on two sides, as far as no signal comes; notes in `done` which one came."""
    from dsbench.paired_gate import PairedPolicy
    from dsbench.versus import Versus

    first, second = sides
    assert first is not None  # the caller has seen to it
    assert second is not None
    policy = PairedPolicy(options["min_effect"], options["margin"])
    pairing = pairing_of(done.environment, options)
    versus = Versus((first, second), cases, pairing, policy, options["limit"], lambda *_: None)
    try:
        with kept_pairs(a, b, options) as versus.keep:
            work(versus)
    except KeyboardInterrupt as interruption:
        done.interruption = exits.of_interruption(interruption)
    for control in versus.controls():
        _report(control)
    return versus


def pairing_of(environment: Environment, options: Mapping[str, Any]) -> Any:
    """How pairs are measured by the options."""
    from dsbench.pairs import Pairing

    device = environment.device
    return Pairing(
        device.backend, device.index, options["seed"], options["timeout"], affinity=options["affinity"]
    )


def _report(control: Verdict) -> None:
    """Says what was found where there is nothing to find."""
    from dsbench.gate import Outcome
    from dsbench.reports import units

    found = control.outcome in (Outcome.WORSE, Outcome.BETTER)
    told = "differs from itself: do not trust this comparison" if found else "no difference, as it should be"
    click.echo(f"A/A control, {control.case.name}: {units.change(control.change)}, {told}", err=True)


def _terminate(*_: object) -> None:
    raise exits.Termination
