"""`dsbench doctor`: what this machine can measure, and how small a change it can see."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from dsbench.cli import exits
from dsbench.cli.ceilings import measure
from dsbench.cli.options import backend_option, device_index, results_option

if TYPE_CHECKING:
    from dsbench.noise import Noise
    from dsbench.records import Environment, Measurement

SPANS = {"10 s": 10.0, "1 min": 60.0, "10 min": 600.0}
"""For how long one might measure, in seconds."""


@click.command()
@backend_option
@click.option(
    "--rounds",
    type=click.IntRange(2),
    default=6,
    show_default=True,
    help="Fresh processes of the experiment that measures the noise.",
)
@click.option("--look", is_flag=True, help="Only look around, without the experiment.")
@click.option(
    "--ceilings",
    is_flag=True,
    help="Measure instead what the device can do at best, and keep it for the roofline of later runs.",
)
@results_option
@click.option(
    "--machine", default="", help="The machine's name in the history.  [default: from its hardware]"
)
def doctor(
    backend: str, device: str, rounds: int, look: bool, ceilings: bool, results: Path, machine: str
) -> None:
    """Say which devices are here, what disturbs them, and how small a change they can show.

    The noise is measured by an A/A experiment: the same work under two names, in fresh processes. What
    differs between the two is noise.
    """
    from dsbench.doctor import warnings
    from dsbench.looking import UnavailableError, look_for, unavailable

    index = device_index(device)
    try:
        found, environment = look_for("all" if backend == "auto" else backend, index, machine, str(results))
        if environment is None:
            raise unavailable(backend, index, found)
    except UnavailableError as error:
        raise exits.NothingMeasuredError(str(error)) from None
    for name, answer in found.items():
        if name != "fake" or backend == "fake":
            click.echo(f"{name:<6} {', '.join(answer['devices']) or 'not here: ' + answer['reason']}")
    _describe(environment)
    said = [*warnings(), *found[environment.device.backend]["advice"]]
    for warning in said:
        click.echo(f"warning: {warning}")
    if not said:
        click.echo("nothing that usually disturbs a measurement was found")
    if ceilings:
        measure(environment, index, results)
    elif not look:
        sys.exit(_experiment(environment, index, rounds))


def _describe(environment: Environment) -> None:
    device = environment.device
    click.echo(f"\nhere   {device.backend}: {device.name}")
    for name, value in {
        "machine": environment.machine,
        "os": f"{environment.os} ({environment.arch})",
        "cpu": f"{environment.cpu}, {environment.cores} cores",
        "memory": f"{environment.memory / 2**30:.1f} GiB",
        "driver": device.driver or "unknown",
        "python": environment.python,
        **environment.versions,
        **device.versions,
        "commit": "unknown: not a git repository"
        if environment.commit is None
        else environment.commit[:8] + (", and the working tree differs from it" if environment.dirty else ""),
    }.items():
        click.echo(f"  {name:<10} {value}")


def _experiment(environment: Environment, index: int, rounds: int) -> int:
    """Measures the same work as if it were two candidates, says what follows, and gives the exit code."""
    from dsbench.noise import assess
    from dsbench.probes.prepared import Budget
    from dsbench.records import merge_rounds
    from dsbench.registry import builtin_suites, cases, discover
    from dsbench.runner import Settings, execute, plan
    from dsbench.runs import RunFile

    suites = {"canary": discover(builtin_suites())["canary"]}
    settings = Settings(
        backend=environment.device.backend,
        index=index,
        rounds=rounds,
        seed=0,
        timeout=120.0,
        budget=Budget(),
        quick=False,
        suites="",
    )
    click.echo(f"\nthe same work as two candidates, {rounds} fresh processes ...", err=True)
    chosen = cases(suites.values(), settings.backend, quick=False)
    began = time.monotonic()
    with TemporaryDirectory() as folder, RunFile(Path(folder) / "doctor.jsonl") as file:
        found: list[Measurement] = []
        execute(plan(chosen, suites), settings, file, report=lambda now: found.extend(now.measurements))
    measurements = merge_rounds(found)
    for measurement in measurements:
        if not measurement.status.has_numbers:
            click.echo(
                f"error: {measurement.case.name}: {measurement.status}: {measurement.reason}", err=True
            )
            return exits.FAILED
    first, second = measurements
    _tell(assess(first, second, time.monotonic() - began))
    return exits.OK


def _tell(noise: Noise) -> None:
    """The experiment in a person's words."""
    click.echo(
        f"readings within a process scatter by {noise.within:.2%}, processes by {noise.between:.2%}, "
        f"and two candidates of one process by {noise.paired:.2%}"
    )
    low, high = noise.ratio.low or 1.0, noise.ratio.high or 1.0
    verdict = "no difference, as it should be" if noise.honest else "a difference where there is none"
    click.echo(f"the second took {noise.ratio.value:.4f} of the first [{low:.4f}, {high:.4f}]: {verdict}")
    if not noise.honest:
        click.echo("  one experiment in 20 says so by chance; when the next does too, doubt this machine")
    click.echo("the smallest change it can show (found 8 times in 10):")
    click.echo(f"  {'measuring for':<32}" + "".join(f"{name:>12}" for name in SPANS))
    for title, paired in (("two candidates in one run", True), ("two runs, one after the other", False)):
        changes = (noise.smallest(seconds, paired) for seconds in SPANS.values())
        shown = "".join(f"{'too short' if change is None else f'{change:.2%}':>12}" for change in changes)
        click.echo(f"  {title:<32}{shown}")
    click.echo(
        "  (by the spread of these processes; what drifts between runs of different hours comes on top)"
    )
    for cause, count in noise.causes.items():
        click.echo(f"warning: {count} readings were disturbed: {cause}")
