"""`dsbench doctor`: what this machine can measure."""

from __future__ import annotations

import sys

import click

from dsbench.cli import exits


@click.command()
def doctor() -> None:
    """Say which devices are here, which are not and why, and what would disturb a measurement."""
    from dsbench.doctor import warnings
    from dsbench.runner import UnavailableError, look_for

    try:
        found, environment = look_for("all")
    except UnavailableError as error:
        raise exits.NothingMeasuredError(str(error)) from None
    for name, answer in found.items():
        if name != "fake":
            click.echo(f"{name:<6} {', '.join(answer['devices']) or 'not here: ' + answer['reason']}")
    if environment is None:
        sys.exit(exits.NOTHING)
    device = environment.device
    click.echo(f"\nauto   measures on {device.backend}: {device.name}")
    for name, value in {
        "machine": environment.machine,
        "os": environment.os,
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
    found_warnings = warnings()
    for warning in found_warnings:
        click.echo(f"warning: {warning}")
    if not found_warnings:
        click.echo("nothing that usually disturbs a measurement was found")
