"""`dsbench run --reference`: the ratio to a pinned revision, taken with every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsbench.cli.exits import RefusedError

if TYPE_CHECKING:
    from dsbench.pairs import Side
    from dsbench.records import Measurement
    from dsbench.runner import Settings
    from dsbench.runs import RunFile

PAIRS_A_ROUND = 2
"""Pairs of processes for each round of the run: ten by default, and with --quick the six that it takes for an
interval at 95 %."""


def commit_at(revision: str) -> str:
    """The commit that --reference names.

    Raises:
        RefusedError: it names none.
    """
    from dsbench.environment import commit_of

    commit = commit_of(Path.cwd(), revision)
    if commit is None:
        raise RefusedError(f"--reference {revision}: no such git revision here")
    return commit


def sides_of(settings: Settings) -> tuple[Side, Side]:
    """The reference and the working tree, built.

    Raises:
        RefusedError: the reference cannot be built; nothing has been measured yet.
    """
    from dsbench import runs
    from dsbench.registry import builtin_suites
    from dsbench.revisions import WORKING_TREE, BuildError, RevisionError, build

    suites = Path(settings.suites) if settings.suites else builtin_suites()
    try:
        reference, present = (
            build(name, suites, runs.STATE, Path.cwd()) for name in (settings.reference, WORKING_TREE)
        )
    except (BuildError, RevisionError) as error:
        raise RefusedError(f"--reference {settings.reference[:8]} cannot be built: {error}") from None
    return reference, present


def measure_ratios(
    sides: tuple[Side, Side], settings: Settings, measured: Sequence[Measurement], file: RunFile
) -> None:
    """Measures the cases of a run that have a latency against the reference, and writes each pair to the
    run's file."""
    from dsbench.pairs import Pairing
    from dsbench.records import merge_rounds
    from dsbench.referenced import measure_against

    cases = [m.case for m in merge_rounds(measured) if m.probe == "latency" and m.status.has_numbers]
    pairing = Pairing(
        settings.backend, settings.index, settings.seed, settings.timeout, affinity=settings.affinity
    )
    pairs = PAIRS_A_ROUND * settings.rounds
    told = f"{len(cases)} cases in {pairs} pairs of processes"
    click.echo(f"against the reference {settings.reference[:8]}: {told}", err=True)
    for measurement in measure_against(sides, cases, pairing, settings.reference, pairs, measured):
        file.append(measurement.to_json())
