"""What `compare` and `gate` end with: verdicts marked, kept for `dsbench ack`, shown, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dsbench.cli import exits
from dsbench.cli.exits import RefusedError
from dsbench.cli.options import write

if TYPE_CHECKING:
    from dsbench.gate import Judged, Verdict
    from dsbench.records import Environment, Run
    from dsbench.reports.kernels import Comparison

KEPT = "verdicts.json"
"""Where in the working folder the verdicts of the last gate or comparison are."""


def conclude(
    verdicts: Sequence[Verdict],
    judged: Judged,
    options: Mapping[str, Any],
    *,
    codes: Sequence[int] = (),
    interruption: int = 0,
    difference: Mapping[str, tuple[str, str]] | None = None,
    kernels: Comparison | None = None,
) -> NoReturn:
    """Shows verdicts and leaves.

    Args:
        codes: exit codes that hold besides that of the verdicts.
        interruption: 130 or 143 when a signal cut the measuring short, which then is the exit code.
    """
    from dsbench.gate import exit_code
    from dsbench.reports import render_verdicts

    marked = acknowledge(verdicts, judged, options["results"])
    code = interruption or exits.worst([exit_code(marked, options["strict"]), *codes])
    _keep(render_verdicts(marked, "json", exit_code=code, difference=difference, judged=judged))
    text = render_verdicts(
        marked,
        options["style"],
        exit_code=code,
        difference=difference,
        verbose=options["verbose"],
        kernels=kernels,
        judged=judged,
    )
    write(text, options["output"])
    sys.exit(code)


def acknowledge(verdicts: Sequence[Verdict], judged: Judged, results: Path) -> list[Verdict]:
    """Verdicts with their ids, and marked where they were accepted.

    Raises:
        RefusedError: the file of what was accepted cannot be read.
    """
    from dsbench.acknowledged import AckError, mark, read
    from dsbench.environment import is_ancestor

    try:
        acks = read(results)
    except AckError as error:
        raise RefusedError(str(error)) from None
    today = datetime.now(UTC).date()
    return mark(verdicts, acks, judged, lambda old, new: is_ancestor(Path.cwd(), old, new), today)


def judged_run(run: Run, baseline: str = "") -> Judged:
    """What verdicts on a run are of."""
    from dsbench.gate import Judged

    where = run.environment
    return Judged(place_of(where), "" if where.dirty else where.commit or "", baseline)


def place_of(environment: Environment) -> str:
    """A machine and environment in one word."""
    return f"{environment.machine}/{environment.name}"


def _keep(document: str) -> None:
    from dsbench.runs import STATE

    try:
        STATE.mkdir(exist_ok=True)
        (STATE / KEPT).write_text(document, "utf-8")
    except OSError as error:
        click.echo(f"warning: {STATE / KEPT} cannot be written: {error.strerror}", err=True)
