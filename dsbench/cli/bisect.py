"""`dsbench bisect`: the commit that a change came with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.measuring import measuring_options
from dsbench.cli.options import (
    format_option,
    output_option,
    quick_option,
    results_option,
    suites_option,
    write,
)

if TYPE_CHECKING:
    from dsbench.culprit import Search
    from dsbench.records import Case


@click.command(
    epilog="""\b
Examples:
  dsbench bisect attention.prefill.flex[N=1024,D=64,dtype=float32,causal=True] v1.2 main
  dsbench bisect 'flex.*N=1024,D=64' v1.2 main --confidence 0.99"""
)
@click.argument("case")
@click.argument("good")
@click.argument("bad")
@suites_option
@quick_option
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="How sure of one commit to be before stopping.",
)
@click.option(
    "--min-effect",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="A smaller change between GOOD and BAD is not looked for.",
)
@measuring_options(3600.0, "no other commit is asked about")
@results_option
@format_option("table", "json")
@output_option
def bisect(case: str, good: str, bad: str, style: str, **options: Any) -> None:
    """Find the commit between GOOD and BAD at which CASE (a full name, or a pattern of one) changed.

    Commits are built and held against GOOD in turns, as by `compare --measure`. Every pair of processes
    is an answer that may be wrong; commits are chosen, and the result is given, by probability. First
    parents alone are followed. Exits with 0 when a commit is found at that confidence, 3 when an end
    cannot be measured, 5 when there is no change to find or it stays unsure.
    """
    from dsbench.cli.measured import build_side, cases_of, kept_pairs, look_at_device, pairing_of
    from dsbench.culprit import Search
    from dsbench.paired_gate import PairedPolicy
    from dsbench.reports.bisection import bisection_json, bisection_text
    from dsbench.revisions import BuildError, RevisionError, between

    try:
        commits = between(good, bad, Path.cwd())
    except RevisionError as error:
        raise RefusedError(str(error)) from None
    environment = look_at_device(options)
    options |= {"filters": (case,), "excludes": ()}
    revisions = [commit for commit, _ in commits]
    try:
        first, last = (build_side(name, options) for name in (good, revisions[-1]))
    except BuildError as error:
        click.echo(f"error: an end cannot be built: {error}", err=True)
        sys.exit(exits.FAILED)
    sides = {good: first, bad: last}
    search = Search(
        _chosen(case, {name: cases_of(side, environment, options) for name, side in sides.items()}),
        first,
        revisions,
        lambda revision: build_side(revision, options),
        pairing_of(environment, options),
        PairedPolicy(options["min_effect"], max(0.02, options["min_effect"])),
        options["confidence"],
        options["limit"],
        lambda *_: None,
    )
    click.echo(f"looking for the change of {search.case.name} in {len(commits)} commits", err=True)
    interruption = exits.OK
    try:
        with kept_pairs(good, revisions[-1], options) as search.keep:
            search.run()
    except KeyboardInterrupt as interrupted:
        interruption = exits.of_interruption(interrupted)
    code = interruption or _code(search)
    text = bisection_json(search, commits, code) if style == "json" else bisection_text(search, commits)
    write(text, options["output"])
    sys.exit(code)


def _chosen(pattern: str, known: Mapping[str, Mapping[str, Case]]) -> Case:
    """The one case that both ends have.

    Raises:
        NothingMeasuredError: one of them lacks it.
        RefusedError: the pattern names several.
    """
    for end, cases in known.items():
        if not cases:
            raise NothingMeasuredError(f"{end} has no case {pattern}")
    good, bad = known.values()
    names = [name for name in good if name in bad]
    chosen = [name for name in names if name == pattern] or names
    if not chosen:
        raise NothingMeasuredError(f"the ends have no case {pattern} in common")
    if len(chosen) > 1:
        raise RefusedError(f"'{pattern}' names {len(chosen)} cases, such as {', '.join(chosen[:3])}")
    return bad[chosen[0]]


def _code(search: Search) -> int:
    from dsbench.culprit import FOUND

    if search.sure:
        return exits.OK
    ends = search.ends
    failed = ends is not None and ends.change is None and ends.outcome not in FOUND
    return exits.FAILED if failed else exits.INCONCLUSIVE
