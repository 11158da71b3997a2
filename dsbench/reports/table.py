"""A run as an aligned table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from dsbench.records import Run
from dsbench.reports.plain import align, clean, shorten
from dsbench.reports.rows import Group, Row, cell, columns, groups
from dsbench.reports.summary import headline, warnings, when, where

WIDTH = 110
"""The columns of a line, for terminals and pipes alike."""

REPEAT = "repeat any case: dsbench repro ID (ids: --format json)"

_METRICS = 4


def table(run: Run, width: int = WIDTH) -> str:
    """The run's cases by benchmark and point, its notes, and a summary.

    Columns that do not fit are named below the table; a case without numbers shows its reason.
    """
    found = groups(run)
    blocks = [f"run {clean(run.id)}, {when(run.started)}\n{shorten(where(run), width)}"]
    blocks += ["\n".join(_benchmark(group, width)) for group in found]
    last = [headline(run, found), *(f"warning: {text}" for text in warnings(run, found))]
    blocks.append("\n".join([*last, *([REPEAT] if run.measurements else [])]))
    return "\n\n".join(blocks) + "\n"


def _benchmark(group: Group, width: int) -> list[str]:
    shown, others = group.metrics[:_METRICS], group.metrics[_METRICS:]
    rows: list[list[str]] = []
    for point, members in group.points():
        rows += [[f"  {clean(point)}"]] if point else []
        rows += [_row(row, shown) for row in members]
    # The empty title lets the reasons run on to the edge.
    titles = columns(shown) if shown else ["reason", ""]
    header = ["    candidate", "status", *(title.replace("_", " ") for title in titles)]
    title = f"{clean(group.name)} (baseline: {clean(group.baseline) or 'none'})"
    notes = [f"  note: {clean(note)}" for note in group.notes()]
    if others:
        notes.append(f"  also measured: {', '.join(others)} (every number is in the JSON report)")
    return [
        shorten(title, width),
        *align(header, rows, width, left=2),
        *(shorten(note, width) for note in notes),
    ]


def _row(row: Row, shown: Sequence[str]) -> list[str]:
    start = [f"    {clean(row.case.candidate)}", row.worst.status]
    if not row.metrics:
        return [*start, clean(row.worst.reason)]
    return [*start, *(cell(row, column) for column in columns(shown))]
