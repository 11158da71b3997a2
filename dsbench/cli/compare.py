"""`dsbench compare`: two runs, or two revisions measured in turns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from dsbench.cli.exits import RefusedError
from dsbench.cli.options import (
    backend_option,
    core_list,
    format_option,
    output_option,
    results_option,
    selection,
    write,
)
from dsbench.cli.references import history_of, resolve


@click.command(
    epilog="""\b
Without --measure, A and B may each be: latest, a run's id, a saved name, a run's file, or a git revision in
the history. With it: a git revision, . for the working tree, or a requirement such as torch==2.12.0.

\b
Examples:
  dsbench compare before latest                    two runs that were measured before
  dsbench compare main . --measure attention       the working tree against main, taking turns
  dsbench compare v1.2 main --measure -k sdpa --time 60"""
)
@click.argument("a")
@click.argument("b")
@selection
@click.option("--measure", is_flag=True, help="Build A and B and measure them now, in turns.")
@click.option(
    "--time",
    "limit",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="With --measure: seconds after which undecided cases get no more than 12 pairs of processes.",
)
@click.option(
    "--min-effect",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="With --measure: a smaller relative change is never called worse.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="With --measure: a case that is surely no further than this from before is the same.",
)
@click.option("--strict", is_flag=True, help="With --measure: exit with 5 when something is inconclusive.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="With --measure: draws inputs and turns."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="With --measure: seconds without a sign of life after which a process is ended.",
)
@click.option(
    "--affinity", callback=core_list, default="", metavar="CORES", help="With --measure: keep both on cores."
)
@backend_option
@click.option("-v", "--verbose", is_flag=True, help="List the cases that are the same, too.")
@results_option
@format_option("table", "markdown", "json", "junit", "github")
@output_option
def compare(a: str, b: str, verbose: bool, style: str, output: Path | None, **options: Any) -> None:
    """Compare B with A: what became better or worse. Both are runs, or with --measure revisions.

    Where both runs have profiled a case (`dsbench profile`), the kernels that changed are named below.
    Exits like `gate`: 1 when something is worse, 3 when something broke, 4 when a case is absent.
    """
    from dsbench.gate import exit_code, judge
    from dsbench.reports import render_verdicts
    from dsbench.reports.kernels import compared

    if options["measure"]:
        from dsbench.cli.measured import compare_now

        verdicts, interruption = compare_now(a, b, options)
        code = interruption or exit_code(verdicts, options["strict"])
        write(render_verdicts(verdicts, style, exit_code=code, verbose=verbose), output)
        sys.exit(code)
    _refuse_options_of_measuring(click.get_current_context())
    from dsbench.environment import difference

    recorded = history_of(options["results"])
    after = resolve(b, recorded)
    before = resolve(a, recorded, like=after)
    verdicts = judge(after.measurements, before.measurements)
    code = exit_code(verdicts, strict=False)
    text = render_verdicts(
        verdicts,
        style,
        exit_code=code,
        difference=difference(before.environment, after.environment),
        verbose=verbose,
        kernels=compared(before, after),
    )
    write(text, output)
    sys.exit(code)


def _refuse_options_of_measuring(context: click.Context) -> None:
    """Two stored runs are compared whole, so that an option that chooses or measures would be ignored."""
    stored = {"a", "b", "results", "style", "output", "verbose"}
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is click.core.ParameterSource.COMMANDLINE and parameter.name not in stored:
            named = parameter.opts[0] if isinstance(parameter, click.Option) else "SUITE"
            raise RefusedError(f"{named} needs --measure: without it, two stored runs are compared whole")
