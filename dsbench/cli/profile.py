"""`dsbench profile`: which kernels a call spends its time in."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from dsbench.cli.exits import RefusedError, worst
from dsbench.cli.options import backend_option, format_option, quick_option, suites_option
from dsbench.cli.run import keep, outcome
from dsbench.cli.session import measure, new

MOST = 20
"""Cases that are profiled at once: each leaves a trace of up to some tens of megabytes."""


@click.command(
    epilog="""\b
Examples:
  dsbench profile 'sdpa_flash[N=1024,D=64]'       one case, by a part of its name
  dsbench profile block_topk --quick --save old   keep it as `old`; after a change: dsbench compare old new"""
)
@click.argument("case")
@suites_option
@quick_option
@backend_option
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=300.0, show_default=True, help="Seconds a case may take."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the inputs.")
@click.option("--save", "name", default="", metavar="NAME", help="Also keep the run under this name.")
@format_option("table", "json")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the traces.  [default: .dsbench/profiles/RUN]",
)
def profile(case: str, style: str, output: Path | None, name: str, **options: Any) -> None:
    """Name the kernels that a call of CASE spends its time in, and write a trace of it.

    CASE is a full name, a part of one or a regular expression, as with `run -k`. Times are those of
    torch's profiler: of the device's kernels, or of the host's operators where the device is the host.
    Nothing goes into the history.
    """
    from dsbench import runs
    from dsbench.reports.profiles import profiles_json, profiles_text

    unasked = {
        "chosen": (),
        "filters": (case,),
        "excludes": (),
        "probes": ("profile",),
        "graph": False,
        "affinity": (),
        "rounds": 1,
        "max_noise": None,
        "min_time": None,
        "results": Path("results"),
        "machine": "",
        "reference": "",
    }
    session = new({**options, **unasked})
    if len(session.cases) > MOST:
        raise RefusedError(
            f"'{case}' matches {len(session.cases)} cases, and more than {MOST} are not profiled at once: "
            f"give more of a name, such as {session.cases[0].name}"
        )
    run_id = runs.new_id(session.environment.commit)
    traces = runs.STATE / "profiles" / run_id if output is None else output
    try:
        traces.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedError(f"cannot write to {traces}: {error.strerror}") from None
    settings = replace(session.settings, traces=str(traces))
    result, path, code = measure(replace(session, settings=settings, id=run_id))
    click.echo(profiles_json(result) if style == "json" else profiles_text(result), nl=False)
    click.echo(f"\nrun      {path}", err=True)
    saved = keep(result, name) if name else 0
    sys.exit(code or worst([saved, outcome(result)]))
