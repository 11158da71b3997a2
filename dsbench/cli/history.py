"""`dsbench history`: what was measured before."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.options import format_option, output_option, results_option, write
from dsbench.cli.references import history_of, resolve

if TYPE_CHECKING:
    from dsbench.history import Series
    from dsbench.records import Run


@click.command(
    epilog="""\b
Examples:
  dsbench history -k sdpa_flash --metric latency   the series of some cases, newest last
  dsbench history --changes                        when did what change, over the whole past?
  dsbench history --changes --since v1.2 --seen    what is new since a revision, and mark it as seen
  dsbench history --runs                           every recorded run and every run kept here
  dsbench history --add RUN                        record a run that could not be recorded at the time
  dsbench history --publish .dsbench/asv           asv's own site of the results"""
)
@click.option("-k", "--filter", "filters", multiple=True, metavar="REGEX", help="Only matching cases.")
@click.option("--metric", "metrics", multiple=True, help="Only this metric; may be repeated.")
@click.option("--last", type=click.IntRange(1), default=8, show_default=True, help="Points a series.")
@click.option("--changes", is_flag=True, help="Tell when which series changed, instead of their points.")
@click.option(
    "--since", default="", metavar="DATE|REV", help="With --changes: only what came after a date or revision."
)
@click.option(
    "--seen", is_flag=True, help="With --changes: what is told counts as seen, and is no longer new."
)
@click.option("--asv", is_flag=True, help="With --changes: say whether asv's step detection sees them, too.")
@click.option("--runs", "list_runs", is_flag=True, help="List runs instead of series.")
@click.option("--add", "addition", default="", metavar="RUN", help="Record a run in the history.")
@click.option(
    "--commit",
    "revision",
    default="",
    metavar="REV",
    help="With --add: the commit of a run that was measured outside its repository.",
)
@click.option(
    "--publish",
    "site",
    type=click.Path(path_type=Path, file_okay=False),
    help="Build asv's site in this folder.",
)
@results_option
@format_option("table", "json")
@output_option
def history(results: Path, style: str, output: Path | None, **options: Any) -> None:
    """Show how each metric of each case moved over commits, and when it changed.

    A series whose newest points look different is marked as a suspect: measure it again before believing it.
    """
    from dsbench.history import HistoryError, asv_series, publish, record, series

    for option in ("since", "seen", "asv"):
        if options[option] and not options["changes"]:
            raise RefusedError(f"--{option} needs --changes: it says which changes to tell, and how")
    try:
        if options["addition"]:
            addition = _at(resolve(options["addition"], history_of(results)), options["revision"])
            if missing := set(addition.planned) - {m.case.name for m in addition.measurements}:
                counted = f"{len(missing)} of {len(addition.planned)} planned cases"
                click.echo(f"warning: the run was cut off, {counted} are not in it", err=True)
            click.echo(f"history  {record(addition, results)}")
            return
        if options["site"]:
            publish(results, options["site"], Path.cwd())
            click.echo(f"site     {(options['site'] / 'index.html').resolve()}")
            return
    except HistoryError as error:
        raise RefusedError(str(error)) from None
    except OSError as error:
        raise RefusedError(f"{results}: {error}") from None
    recorded = history_of(results)
    if options["list_runs"]:
        write("\n".join(_run_lines(recorded)) or "no runs yet: `dsbench run` makes one", output)
        return
    foreign, problems = asv_series(results)
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    if not recorded and not foreign:
        raise NothingMeasuredError(
            f"no history under {results}: a full `dsbench run` of a clean commit records it"
        )
    found = _chosen([*series(recorded), *foreign], options["filters"], options["metrics"])
    if not found:
        raise NothingMeasuredError("no series matches")
    if options["changes"]:
        from dsbench.cli.changes import changes_of

        text = changes_of(found, style, options["since"], options["seen"], options["asv"])
    else:
        text = _as_json(found) if style == "json" else "\n".join(_lines(found, options["last"]))
    write(text, output)
    sys.exit(exits.OK)


def _at(run: Run, revision: str) -> Run:
    """A run with the commit that the user says it was measured at; its own when they say none."""
    from dataclasses import replace

    from dsbench.environment import commit_of, repository

    if not revision:
        return run
    commit = commit_of(Path.cwd(), revision)
    if commit is None:
        raise RefusedError(f"--commit {revision}: no such revision in this repository")
    if run.environment.commit not in (None, commit):
        raise RefusedError(f"--commit {revision}: the run says that it measured {run.environment.commit}")
    told = repository(Path.cwd(), revision=commit)
    environment = replace(
        run.environment, commit=told.commit, commit_time=told.commit_time, subject=told.subject
    )
    return replace(run, environment=environment)


def _chosen(found: list[Series], filters: tuple[str, ...], metrics: tuple[str, ...]) -> list[Series]:
    import re

    from dsbench.metrics import METRICS
    from dsbench.registry import nearest, select

    for metric in metrics:
        if metric not in METRICS:
            raise RefusedError(f"unknown metric '{metric}'; {nearest(metric, METRICS)}")
    try:
        cases = set(select({one.case for one in found}, filters))
    except re.error as error:
        raise RefusedError(f"'{error.pattern!s}' is not a regular expression: {error}") from None
    return [one for one in found if one.case in cases and (not metrics or one.metric in metrics)]


def _lines(found: list[Series], last: int) -> list[str]:
    from dsbench.changes import key
    from dsbench.cli.changes import suspicious
    from dsbench.metrics import METRICS
    from dsbench.reports.events import name_of
    from dsbench.reports.units import estimate

    marks = suspicious(found)
    lines: list[str] = []
    for one in found:
        lines.append(name_of(one))
        if mark := marks.get(key(one)):
            lines.append(f"  {mark}")
        for point in one.points[-last:]:
            unit = METRICS[one.metric].unit
            shown = (
                f"{point.status}: {point.reason}"
                if point.estimate is None
                else estimate(point.estimate, unit)
            )
            lines.append(f"  {_date(point.commit_time)} {point.commit[:8]}  {shown}")
        lines.append("")
    return lines[:-1]


def _as_json(found: list[Series]) -> str:
    import json

    from dsbench.changes import key
    from dsbench.cli.changes import suspicious

    marks = suspicious(found)
    return json.dumps(
        [
            {
                "case": one.case.name,
                "version": one.case.version,
                "metric": one.metric,
                "machine": one.machine,
                "environment": one.environment,
                "device": one.device,
                "reference": one.reference or None,
                "suspect": marks.get(key(one)),
                "points": [
                    {
                        "commit": point.commit,
                        "commit_time": point.commit_time,
                        "value": point.estimate and point.estimate.value,
                        "low": point.estimate and point.estimate.low,
                        "high": point.estimate and point.estimate.high,
                        "status": point.status,
                        "reason": point.reason,
                    }
                    for point in one.points
                ],
            }
            for one in found
        ],
        indent=1,
        allow_nan=False,
    )


def _run_lines(recorded: list[Run]) -> list[str]:
    from dsbench import runs

    lines = [
        f"recorded  {_date(run.environment.commit_time)} {(run.environment.commit or '')[:8]}  "
        f"{run.environment.machine} {run.environment.name}  {len(run.measurements)} measurements"
        for run in recorded
    ]
    for path in runs.paths():
        try:
            run = runs.read(path)
        except runs.RunError as error:
            click.echo(f"warning: {error}", err=True)
            continue
        state = "interrupted" if run.ended is None else "quick" if run.quick else "full"
        counted = f"{len(run.measurements)} measurements"
        lines.append(f"kept      {path.stem}  {run.environment.device.backend}  {state}  {counted}")
    return lines


def _date(seconds: float | None) -> str:
    return "unknown   " if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))
