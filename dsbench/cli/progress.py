"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dsbench.records import Environment, Measurement
    from dsbench.runner import Progress

Report = Callable[["Progress"], None]


@contextmanager
def progress(environment: Environment, cases: int, rounds: int) -> Iterator[Report]:
    """Says what is measured where, then yields a function that shows how it goes."""
    device = environment.device
    where = f"{device.name} ({device.backend}) of {environment.machine}"
    click.echo(f"measuring {cases} cases x {rounds} rounds on {where}", err=True)
    if sys.stderr.isatty():
        with _bar(cases * rounds) as report:
            yield report
    else:
        yield _lines(time.monotonic())


def outcome(measurements: tuple[Measurement, ...]) -> str:
    """How a case went, in a word: its worst status."""
    from dsbench.records import Status

    return max((m.status for m in measurements), key=list(Status).index)


def _lines(began: float) -> Report:
    def report(now: Progress) -> None:
        if now.measurements:
            spent = time.monotonic() - began
            remaining = spent / now.done * (now.total - now.done)
            click.echo(
                f"[{now.done}/{now.total}] {now.case} round {now.round + 1}/{now.rounds}: "
                f"{outcome(now.measurements)}, about {remaining:.0f} s left",
                err=True,
            )

    return report


@contextmanager
def _bar(total: int) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=total)

        def report(now: Progress) -> None:
            if now.measurements and outcome(now.measurements) not in ("ok", "unstable"):
                worst = next(m for m in now.measurements if m.reason)
                console.print(f"{now.case}: {worst.status}: {worst.reason}", markup=False, highlight=False)
            text = f"{now.case} round {now.round + 1}/{now.rounds}"
            bar.update(task, completed=now.done, total=now.total, description=text)

        yield report
