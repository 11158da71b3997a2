"""`dsbench doctor --ceilings`: what the device can do at best."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsbench.cli.exits import NothingMeasuredError, RefusedError

if TYPE_CHECKING:
    from dsbench.records import Environment


def measure(environment: Environment, index: int, results: Path) -> None:
    """Measures the ceilings of a device, shows them, and keeps them beside its history.

    Raises:
        NothingMeasuredError: the worker died.
        RefusedError: they cannot be written.
    """
    from dsbench.ceilings import Ceilings, write
    from dsbench.looking import UnavailableError, find_ceilings
    from dsbench.reports.units import human

    try:
        found = find_ceilings(environment.device.backend, index)
    except UnavailableError as error:
        raise NothingMeasuredError(str(error)) from None
    rates = {name: rate for name, rate in found.items() if not isinstance(rate, str)}
    bandwidth = rates.pop("copy", None)
    click.echo("\nat best")
    for name, rate in found.items():
        unit = "B/s" if name == "copy" else "FLOP/s"
        click.echo(f"  {name:<10} {f'not measured: {rate}' if isinstance(rate, str) else human(rate, unit)}")
    device = environment.device
    versions = {**environment.versions, **device.versions, "driver": device.driver or "unknown"}
    ceilings = Ceilings(device.name, rates, bandwidth, time.time(), versions)
    try:
        click.echo(f"kept in {write(ceilings, results, environment)}")
    except OSError as error:
        raise RefusedError(f"the ceilings cannot be written under {results}: {error}") from None
