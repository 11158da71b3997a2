"""`dsbench compare`: two runs side by side."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dsbench.cli.options import format_option, output_option, results_option, write
from dsbench.cli.references import history_of, resolve


@click.command(
    epilog="""\b
A and B may each be: latest, a run's id, a saved name, a run's file, or a git revision in the history."""
)
@click.argument("a")
@click.argument("b")
@click.option("-v", "--verbose", is_flag=True, help="List the cases that are the same, too.")
@results_option
@format_option("table", "markdown", "json")
@output_option
def compare(a: str, b: str, verbose: bool, results: Path, style: str, output: Path | None) -> None:
    """Compare run B with run A: what became better or worse, and how their environments differ.

    Where both have profiled a case (`dsbench profile`), the kernels that changed are named below.
    Exits like `gate`: 1 when something is worse, 3 when something broke, 4 when a case is absent.
    """
    from dsbench.environment import difference
    from dsbench.gate import exit_code, judge
    from dsbench.reports import render_verdicts
    from dsbench.reports.kernels import compared

    recorded = history_of(results)
    after = resolve(b, recorded)
    before = resolve(a, recorded, like=after)
    verdicts = judge(after.measurements, before.measurements)
    code = exit_code(verdicts, strict=False)
    differences = difference(before.environment, after.environment)
    text = render_verdicts(
        verdicts,
        style,
        exit_code=code,
        difference=differences,
        verbose=verbose,
        kernels=compared(before, after),
    )
    write(text, output)
    sys.exit(code)
