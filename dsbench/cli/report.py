"""`dsbench report`: a run once more, in another form."""

from __future__ import annotations

from pathlib import Path

import click

from dsbench.cli.exits import NothingMeasuredError
from dsbench.cli.options import format_option, output_option, results_option, write
from dsbench.cli.references import history_of, newest, resolve


@click.command(
    epilog="""\b
Examples:
  dsbench report                              the newest run as a table
  dsbench report --format html -o report.html one page that needs nothing else
  dsbench report main --format csv            what was recorded for a git revision"""
)
@click.argument("reference", default="", metavar="[RUN]")
@results_option
@format_option("table", "markdown", "json", "csv", "html")
@output_option
def report(reference: str, results: Path, style: str, output: Path | None) -> None:
    """Show the newest run, or RUN: an id, a saved name, a file or a git revision."""
    from dsbench.reports import render

    recorded = history_of(results)
    found = resolve(reference, recorded) if reference else newest(recorded)
    if found is None:
        raise NothingMeasuredError("there is no run to report: `dsbench run` makes one")
    write(render(found, style), output)
