"""`dsbench compare`: two runs, or two revisions measured in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dsbench.cli.conclusion import conclude, judged_run, place_of
from dsbench.cli.measuring import FEWEST_PAIRS, WITH_MEASURE, measuring_options, refuse_without_measure
from dsbench.cli.options import (
    format_option,
    output_option,
    results_option,
    selection,
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
@measuring_options(600.0, FEWEST_PAIRS, WITH_MEASURE)
@click.option("-v", "--verbose", is_flag=True, help="List the cases that are the same, too.")
@results_option
@format_option("table", "markdown", "json", "junit", "github")
@output_option
def compare(a: str, b: str, **options: Any) -> None:
    """Compare B with A: what became better or worse. Both are runs, or with --measure revisions.

    Where both runs have profiled a case (`dsbench profile`), the kernels that changed are named below.
    Exits like `gate`: 1 when something is worse, 3 when something broke, 4 when a case is absent.
    """
    from dsbench.gate import Judged, judge
    from dsbench.reports.kernels import compared

    if options["measure"]:
        from dsbench.cli.measured import compare_now
        from dsbench.environment import commit_of

        done = compare_now(a, b, options)
        commits = [commit_of(Path.cwd(), name) or "" for name in (b, a)]
        conclude(
            done.verdicts,
            Judged(place_of(done.environment), *commits),
            options,
            interruption=done.interruption,
        )
    stored = {"a", "b", "results", "style", "output", "verbose"}
    refuse_without_measure(
        click.get_current_context(), stored, "without it, two stored runs are compared whole"
    )
    from dsbench.environment import difference

    recorded = history_of(options["results"])
    after = resolve(b, recorded)
    before = resolve(a, recorded, like=after)
    conclude(
        judge(after.measurements, before.measurements),
        judged_run(after, before.environment.commit or ""),
        options,
        difference=difference(before.environment, after.environment),
        kernels=compared(before, after),
    )
