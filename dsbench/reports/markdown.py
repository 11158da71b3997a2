"""A run, and verdicts, as Markdown tables for a README or a comment on a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from dsbench.gate import Outcome, Verdict
from dsbench.records import Run
from dsbench.reports import units
from dsbench.reports.kernels import Comparison
from dsbench.reports.kernels import rows as kernel_rows
from dsbench.reports.plain import clean, shorten
from dsbench.reports.rows import Group, Row, cell, columns, groups
from dsbench.reports.summary import headline, warnings, when, where
from dsbench.reports.verdicts import by_seriousness, counts, told, unit_of

LIMIT = 80
"""The rows of a table of verdicts: GitHub refuses a comment of more than 65,536 characters."""

_LONGEST = 200
_SPECIAL = re.compile(r"[\\`*|~$]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[]")


def escape(text: str) -> str:
    """The text as Markdown shows it literally, inside a table too: one line, without markup, HTML,
    links or mentions."""
    safe = html.escape(shorten(clean(text), _LONGEST), quote=False)
    return _SPECIAL.sub(lambda found: "\\" + found[0], safe).replace("@", "@<!-- -->")


def markdown(run: Run) -> str:
    """The run's cases, a table a benchmark, with the summary above them."""
    found = groups(run)
    lines = [f"**{escape(where(run))}**, {when(run.started)}: {headline(run, found)}.", ""]
    lines += [f"> **Warning:** {escape(text)}\n" for text in warnings(run, found)]
    for group in found:
        lines += [f"### {escape(group.name)}", "", *_benchmark(group), ""]
    return "\n".join(lines).rstrip() + "\n"


def _benchmark(group: Group) -> list[str]:
    shown = columns(group.metrics)
    axes = list(dict.fromkeys(axis for row in group.rows for axis in row.case.at))
    header = [*axes, "candidate", "status", *(column.replace("_", " ") for column in shown)]
    lines = _table(header, len(axes) + 2, [_row(row, axes, shown) for row in group.rows])
    return [*lines, *(f"\n{escape(note)}" for note in group.notes())]


def _row(row: Row, axes: Sequence[str], shown: Sequence[str]) -> list[str]:
    point = [str(row.case.at.get(axis, units.NOTHING)) for axis in axes]
    if row.metrics:
        return [*point, row.case.candidate, row.worst.status, *(cell(row, column) for column in shown)]
    # Markdown cannot join cells, so the reason stands beside the status and the others stay empty.
    ended = f"{row.worst.status}: {row.worst.reason}"
    return [*point, row.case.candidate, ended, *("" for _ in shown)]


def verdicts_markdown(
    verdicts: Iterable[Verdict],
    difference: Mapping[str, tuple[str, str]] | None = None,
    kernels: Comparison | None = None,
) -> str:
    """Verdicts for a comment: how many of each, those that are not the same with the most serious
    first, what differs between the environments, and the rest folded away.

    Args:
        verdicts: what the gate said.
        difference: facts of the environments that differ, by name: (before, after).
        kernels: what changed between the runs' profiles, if both have some.
    """
    found = by_seriousness(verdicts)
    changed = [verdict for verdict in found if verdict.outcome is not Outcome.SAME]
    same = [verdict for verdict in found if verdict.outcome is Outcome.SAME]
    lines = [f"**{counts(found)}**", ""]
    if changed:
        lines += [*_verdicts(changed), ""]
    if difference:
        rows = [[name, before, after] for name, (before, after) in difference.items()]
        lines += ["The environments differ:", "", *_table(["", "before", "after"], 3, rows), ""]
    if same:
        lines += [f"<details><summary>{len(same)} same</summary>", "", *_verdicts(same), "", "</details>", ""]
    if kernels:
        header, rows, said = kernel_rows(kernels)
        lines += ["Kernels that changed, seconds a call (not judged):", ""]
        lines += [*_table(header, 2, rows[:LIMIT]), *(f"\n{escape(line)}" for line in said)]
    return "\n".join(lines).rstrip() + "\n"


def _verdicts(verdicts: Sequence[Verdict]) -> list[str]:
    header = ["outcome", "case", "metric", "reason", "before", "after", "change", "threshold"]
    rows = [
        [
            f"{verdict.outcome}, acknowledged" if verdict.acknowledged else verdict.outcome,
            verdict.case.name,
            verdict.metric,
            told(verdict),
            units.estimate(verdict.before, unit_of(verdict)),
            units.estimate(verdict.after, unit_of(verdict)),
            units.change(verdict.change),
            units.percent(verdict.threshold or None),
        ]
        for verdict in verdicts[:LIMIT]
    ]
    more = len(verdicts) - len(rows)
    return [*_table(header, 4, rows), *([f"\n… and {more} more"] if more else [])]


def _table(header: Sequence[str], left: int, rows: Iterable[Sequence[str]]) -> list[str]:
    rule = [":--" if index < left else "--:" for index in range(len(header))]
    escaped = [[escape(text) for text in row] for row in (header, *rows)]
    return [f"| {' | '.join(row)} |" for row in (escaped[0], rule, *escaped[1:])]
