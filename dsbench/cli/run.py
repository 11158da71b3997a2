"""`dsbench run` and `dsbench verify`: one path, with two budgets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.options import (
    backend_option,
    core_list,
    format_option,
    known_probes,
    output_option,
    results_option,
    selection,
    write,
)
from dsbench.cli.session import measure, new, resumed

if TYPE_CHECKING:
    from dsbench.records import Run

HTML_PAGE = "report.html"


@click.command(
    epilog="""\b
Examples:
  dsbench run --quick                        every suite, few points
  dsbench run attention --backend cuda       one suite on the first CUDA device
  dsbench run -k 'sdpa_flash.*N=1024'        the cases whose name matches
  dsbench run --reference v1.0               the ratio to a pinned revision, too, for the history
  dsbench run --quick --save before          keep the run as `before`, for dsbench compare"""
)
@selection
@backend_option
@click.option(
    "--rounds", type=click.IntRange(1), help="Fresh processes a case.  [default: 5, or 3 with --quick]"
)
@click.option(
    "--max-noise",
    type=click.FloatRange(0.0001, 1.0),
    help="Stop sampling when the median's interval is this narrow, half its width relative to the median."
    "  [default: 0.02, or 0.05 with --quick]",
)
@click.option(
    "--min-time",
    type=click.FloatRange(0.001),
    help="Seconds to sample a case in a round at least; five times that at most."
    "  [default: 0.2, or 0.03 with --quick]",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    callback=known_probes,
    metavar="PROBE",
    help="Ask this probe instead of those that the benchmarks declare; may be repeated.",
)
@click.option(
    "--reference",
    default="",
    metavar="REV",
    help="Also measure the ratio to this revision in turns, which the machine's drift cannot enter: "
    "two pairs of processes a round.",
)
@click.option("--graph", is_flag=True, help="Also time a replayed device graph of each call.")
@click.option(
    "--affinity",
    default="",
    callback=core_list,
    metavar="CORES",
    help="Keep the workers on these cores, such as 0,2-3.  [default: where this process may run]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=300.0,
    show_default=True,
    help="Seconds a case may take, preparing it or in one of its turns.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of inputs and of the order in which candidates take turns. The same seed and rounds give "
    "the same inputs; the order also depends on which candidates are measured.",
)
@results_option
@click.option(
    "--machine", default="", help="The machine's name in the history.  [default: from its hardware]"
)
@click.option("--save", "name", default="", metavar="NAME", help="Also keep the run under this name.")
@click.option(
    "--record/--no-record",
    default=None,
    help="Put the run into the history.  [default: only full runs of a clean commit that ask what the "
    "suites ask]",
)
@format_option("table", "json", "csv", "markdown")
@output_option
@click.option("--dry-run", is_flag=True, help="Say what would be measured, and stop.")
@click.option(
    "--resume", is_flag=True, help="Go on with the last run that was interrupted, with its options."
)
def run(**options: Any) -> None:
    """Measure the cases of the suites, remember the numbers and show them.

    Progress goes to stderr, the report to stdout. The run is on disk after every case.
    """
    session = resumed() if options["resume"] else new(options)
    if options["dry_run"]:
        click.echo("\n".join(case.name for case in session.cases))
        counted = f"{len(session.cases)} cases x {session.settings.rounds} rounds"
        click.echo(f"{counted} on {session.environment.device.name}", err=True)
        sys.exit(exits.FAILED if session.broken else exits.OK)
    result, path, code = measure(session)
    show(result, path, options["style"], options["output"])
    if code == exits.OK:
        codes = [_remember(result, path, options["record"], Path(session.settings.results))]
        codes += [keep(result, options["name"])] if options["name"] else []
        _page(result)
        code = exits.worst([*codes, outcome(result)])
    sys.exit(code)


@click.command()
@selection
@backend_option
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=300.0, show_default=True, help="Seconds a call may take."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the inputs.")
@format_option("table", "json", "csv", "markdown")
@output_option
def verify(**options: Any) -> None:
    """Check that every case runs and is right, with one call each.

    The same path as `run` with a budget of a single call; nothing goes into the history.
    """
    unasked = {
        "probes": (),
        "graph": False,
        "affinity": (),
        "rounds": 1,
        "max_noise": None,
        "min_time": None,
        "results": Path("results"),
        "machine": "",
        "reference": "",
    }
    result, path, code = measure(new({**options, **unasked}, once=True))
    show(result, path, options["style"], options["output"])
    sys.exit(code or outcome(result))


def show(result: Run, path: Path, style: str, output: Path | None) -> None:
    """Puts the run's report where it was asked for, and says where the run is kept."""
    from dsbench.reports import render

    write(render(result, style), output)
    click.echo(f"\nrun      {path}", err=True)


def outcome(result: Run) -> int:
    """The exit code that the measurements themselves ask for."""
    failed = bool(result.suite_errors) or any(m.status.failed for m in result.measurements)
    if not any(m.status.has_numbers or m.status.failed for m in result.measurements):
        return exits.NOTHING
    return exits.FAILED if failed else exits.OK


def _remember(result: Run, path: Path, wanted: bool | None, results: Path) -> int:
    """Puts the run into the history, or says why not."""
    from dsbench.history import HistoryError, record

    doubts = [
        *(["it has quick points only"] if result.quick else []),
        *(["it asked other probes than the suites do"] if result.settings.get("probes") else []),
        *(["the working tree differs from the commit"] if result.environment.dirty else []),
        *(
            ["this is no git repository, so there is no commit to keep it by"]
            * (not result.environment.commit)
        ),
    ]
    if wanted is False or (wanted is None and doubts):
        why = "; ".join(doubts) if wanted is None else "as asked"
        click.echo(f"history  not recorded: {why}", err=True)
        return exits.OK
    try:
        click.echo(f"history  {record(result, results)}", err=True)
    except HistoryError as error:
        click.echo(f"error: not recorded: {error}; the run is kept in {path}", err=True)
        return exits.USAGE
    except OSError as error:
        click.echo(f"error: not recorded under {results}: {error}; the run is kept in {path}", err=True)
        return exits.USAGE
    return exits.OK


def keep(result: Run, name: str) -> int:
    """Saves a run under a name; the exit code."""
    from dsbench import runs

    try:
        click.echo(f"saved    {runs.save(result, name)}", err=True)
    except runs.RunError as error:
        click.echo(f"error: {error}", err=True)
        return exits.USAGE
    return exits.OK


def _page(result: Run) -> None:
    """Writes the HTML page; that it cannot be written loses nothing."""
    from dsbench import runs
    from dsbench.reports import render

    page = runs.STATE / HTML_PAGE
    try:
        page.write_text(render(result, "html"), encoding="utf-8")
    except OSError as error:
        click.echo(f"warning: no page: {error}", err=True)
    else:
        click.echo(f"page     {page.resolve()}", err=True)
