"""Two revisions measured now, in pairs of processes that take turns: what `compare --measure` does."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.options import device_index, find_cases, find_suites, report_broken

if TYPE_CHECKING:
    from dsbench.gate import Verdict
    from dsbench.pairs import Side
    from dsbench.records import Case


def compare_now(a: str, b: str, options: Mapping[str, Any]) -> tuple[list[Verdict], int]:
    """Builds both sides and measures them.

    Returns:
        The verdicts, and 130 or 143 when they are of the pairs that were measured before a signal, else 0.

    Raises:
        RefusedError: a revision or an option cannot be what it is.
        NothingMeasuredError: the device is not here, or there is no case.
    """
    from dsbench import runs
    from dsbench.cli.session import look_at
    from dsbench.environment import commit_of
    from dsbench.gate import Outcome, Verdict
    from dsbench.paired_gate import PairedPolicy
    from dsbench.pairs import Pairing
    from dsbench.versus import Versus

    index = device_index(options["device"])
    environment = look_at(options["backend"], index, "", str(options["results"]), options["affinity"])
    backend = environment.device.backend
    sides, failures = _build((a, b), options["folder"])
    known = [_cases(side, backend, options) for side in sides if side]
    everything = {name: case for cases in known for name, case in cases.items()}
    if not everything:
        told = "; ".join(failures) or "there is no case to compare"
        raise NothingMeasuredError(told)
    if failures:
        reason = "; ".join(failures)
        return [Verdict(Outcome.UNBUILT, case, reason=reason) for case in everything.values()], 0
    both = [case for name, case in everything.items() if all(name in cases for cases in known)]
    verdicts = [
        Verdict(outcome, case, reason=f"only {side} has it")
        for outcome, side, mine, other in (
            (Outcome.MISSING, a, known[0], known[1]),
            (Outcome.NEW, b, known[1], known[0]),
        )
        for name, case in mine.items()
        if name not in other
    ]
    pairing = Pairing(backend, index, options["seed"], options["timeout"], affinity=options["affinity"])
    policy = PairedPolicy(options["min_effect"], options["margin"])
    folder = runs.STATE / "comparisons"
    code = exits.OK
    signal.signal(signal.SIGTERM, _terminate)
    with runs.RunFile(folder / f"{runs.new_id(commit_of(Path.cwd(), b))}.jsonl") as file:
        first, second = sides
        assert first is not None  # there were no failures
        assert second is not None
        file.append({"type": "comparison", "a": a, "b": b, "started": time.time(), "seed": options["seed"]})

        def keep(pair: Any, confirming: bool) -> None:
            file.append({**pair.to_json(), "confirming": confirming})
            told = "failed" if pair.problems else f"{math.expm1(pair.log_ratio):+.2%}"
            kind = " (A against itself)" if pair.control else " (again)" if confirming else ""
            click.echo(f"pair {pair.number + 1}: {pair.case}{kind}: {told}", err=True)

        versus = Versus((first, second), both, pairing, policy, options["limit"], keep)
        click.echo(f"comparing {len(both)} cases of {a} and {b} in pairs of processes", err=True)
        try:
            if both:
                versus.run()
        except runs.RunError as error:
            raise RefusedError(str(error)) from None
        except KeyboardInterrupt as interruption:
            code = exits.of_interruption(interruption)
            click.echo(f"interrupted; the pairs so far are in {file.path}", err=True)
    for control in versus.controls():
        _report(control)
    return [*verdicts, *versus.verdicts()], code


def _build(names: tuple[str, str], folder: Path | None) -> tuple[list[Side | None], list[str]]:
    """Both sides, None in place of one that cannot be built, and why."""
    from dsbench import runs
    from dsbench.registry import builtin_suites
    from dsbench.revisions import BuildError, RevisionError, build

    sides: list[Side | None] = []
    failures = []
    for name in names:
        try:
            sides.append(build(name, folder or builtin_suites(), runs.STATE, Path.cwd()))
        except RevisionError as error:
            raise RefusedError(str(error)) from None
        except BuildError as error:
            sides.append(None)
            failures.append(f"{name} cannot be built: {error}")
    return sides, failures


def _cases(side: Side, backend: str, options: Mapping[str, Any]) -> dict[str, Case]:
    """The cases of a side that are timed, by name."""
    suites = find_suites(side.suites, options["chosen"])
    report_broken(suites)
    found = find_cases(suites, backend, options["quick"], options["filters"], options["excludes"])
    timed = [case for case in found if "latency" in suites[case.suite].benchmarks[case.benchmark].probes]
    return {case.name: case for case in timed}


def _report(control: Verdict) -> None:
    """Says what was found where there is nothing to find."""
    from dsbench.gate import Outcome
    from dsbench.reports import units

    found = control.outcome in (Outcome.WORSE, Outcome.BETTER)
    told = "differs from itself: do not trust this comparison" if found else "no difference, as it should be"
    click.echo(f"A/A control, {control.case.name}: {units.change(control.change)}, {told}", err=True)


def _terminate(*_: object) -> None:
    raise exits.Termination
