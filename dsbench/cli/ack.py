"""`dsbench ack`: accepts a change that a gate found."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli.conclusion import KEPT
from dsbench.cli.exits import RefusedError
from dsbench.cli.options import results_option

if TYPE_CHECKING:
    from dsbench.gate import Judged, Verdict


@click.command(
    epilog="""\b
Examples:
  dsbench ack                                                  what was accepted so far
  dsbench ack 3f2ab81c9d --reason "exact softmax" --until never
  dsbench ack 3f2ab81c9d --reason "driver bug, reported" --until 2027-01-31 --from gate.json"""
)
@click.argument("identity", default="", metavar="[ID]")
@click.option("--reason", default="", metavar="TEXT", help="Why the change is accepted.")
@click.option(
    "--until", default="", metavar="DATE|never", help="The last day on which it is, such as 2027-01-31."
)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The JSON report of a gate that showed the id.  [default: the last gate or comparison here]",
)
@results_option
def ack(identity: str, reason: str, until: str, source: Path | None, results: Path) -> None:
    """Accept the change ID that `gate` or `compare` found: it stays visible and fails no more.

    It goes into acknowledged.jsonl among the results, to be committed. It holds for that case, metric and
    size, until its date, and until the baseline holds the commit it was given at: what is worse after that
    is another change. Removing its line takes it back.
    """
    from dsbench.acknowledged import AckError, accept, read, write

    try:
        if not identity:
            click.echo("\n".join(_lines(read(results))))
            return
        if not reason or not until:
            raise RefusedError("an acknowledgement needs a --reason and an --until (a date, or never)")
        verdict, judged = _found(identity, source)
        made = accept(verdict, judged, reason, until, datetime.now(UTC).date())
        path = write(made, results)
    except AckError as error:
        raise RefusedError(str(error)) from None
    what = " ".join(filter(None, (made.case, made.metric)))
    click.echo(f"accepted: {what} is {made.outcome}; commit {path}", err=True)


def _found(identity: str, source: Path | None) -> tuple[Verdict, Judged]:
    """The verdict of an id, or of the beginning of one, in a gate's JSON report."""
    from dsbench.gate import Judged, Outcome, Verdict
    from dsbench.records import Case
    from dsbench.runs import STATE
    from dsbench.stats.intervals import Estimate

    path = source or STATE / KEPT
    try:
        document = json.loads(path.read_text("utf-8"))
        judged = Judged(**document["judged"])
        rows: list[dict[str, Any]] = [row for row in document["verdicts"] if row["id"].startswith(identity)]
        found = {
            row["id"]: Verdict(
                Outcome(row["outcome"]),
                Case.from_json(row["case"]),
                row["metric"],
                after=row["after"] and Estimate(**row["after"]),
                change=row["change"] and Estimate(**row["change"]),
                threshold=row["threshold"],
                reason=row["reason"],
                id=row["id"],
                probe=row.get("probe", ""),  # reports of earlier versions have none
            )
            for row in rows
        }
    except OSError:
        raise RefusedError(f"there is no {path}: `dsbench gate` makes it, or name one with --from") from None
    except (ValueError, KeyError, TypeError):
        raise RefusedError(f"{path} is no JSON report of a gate: make one with --format json") from None
    if not found:
        raise RefusedError(f"{path} has no change {identity}: ids are in the reports of `dsbench gate`")
    if len(found) > 1:
        raise RefusedError(f"'{identity}' is the beginning of {len(found)} ids: give more of it")
    return next(iter(found.values())), judged


def _lines(acks: Any) -> list[str]:
    from dsbench.reports.plain import align, clean
    from dsbench.reports.units import percent

    rows = [
        [
            one.id,
            clean(" ".join(filter(None, (one.case, one.metric)))),
            clean(one.place),
            one.outcome if one.change is None else f"{one.outcome} by {percent(abs(one.change))}",
            one.commit[:8] or "uncommitted",
            one.until,
            clean(one.reason),
        ]
        for one in acks
    ]
    header = ["id", "case, metric", "place", "change", "seen at", "until", "reason"]
    return align(header, rows, left=len(header)) if rows else ["nothing was accepted so far"]
