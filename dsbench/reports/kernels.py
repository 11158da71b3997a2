"""Profiles: the kernels of a case, and which of them changed between two runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from dsbench.records import Case, Measurement, Run
from dsbench.reports import units
from dsbench.reports.plain import align, clean, shorten
from dsbench.reports.rows import plural
from dsbench.stats.intervals import Estimate

TIME, LAUNCHES = "kernel:", "launches:"
"""What the readings of a kernel begin with; its name follows."""

NOTABLE = 0.05
"""The relative change of a kernel's time that is worth a line. A profile is one round, without an
interval, so this is no verdict."""

SMALLEST = 0.01
"""The share of the case's time below which a kernel's change is not worth a line."""

WIDTH = 60
"""The columns of a kernel's name in a table; names of templates run to thousands of letters."""


@dataclass(frozen=True)
class Kernel:
    """A kernel (or operator): seconds and launches in one call."""

    name: str
    seconds: float
    launches: float


@dataclass(frozen=True)
class Change:
    """A kernel of a case before and after; None where it was not launched at all."""

    case: Case
    name: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float:
        """Seconds per call that were added."""
        return (self.after or 0.0) - (self.before or 0.0)

    @property
    def relative(self) -> float | None:
        """The difference relative to the time before; None when there was none before."""
        return self.difference / self.before if self.before else None


@dataclass(frozen=True)
class Comparison:
    """The changed kernels of the cases that two runs profiled, the largest difference first; `unlike`
    says which cases cannot be compared, since one run saw kernels and the other only operators."""

    profiled: int
    changes: tuple[Change, ...]
    unlike: tuple[str, ...] = ()


def kernels(measurement: Measurement) -> list[Kernel]:
    """The kernels of a profile, the longest first; the median when there are several rounds."""
    found = {name: median(s.value for s in samples) for name, samples in measurement.readings.items()}
    named = [
        Kernel(name.removeprefix(TIME), seconds, found.get(LAUNCHES + name.removeprefix(TIME), math.nan))
        for name, seconds in found.items()
        if name.startswith(TIME)
    ]
    return sorted(named, key=lambda kernel: -kernel.seconds)


def profiles(run: Run) -> dict[Case, Measurement]:
    """The profiles with numbers of a run, by case."""
    return {m.case: m for m in run.measurements if m.probe == "profile" and m.status.has_numbers}


def compared(before: Run, after: Run) -> Comparison | None:
    """What changed between the profiles of two runs; None when they profiled no case in common."""
    old, new = profiles(before), profiles(after)
    both = [case for case in old if case in new]
    if not both:
        return None
    unlike = tuple(case.name for case in both if _kind(old[case]) != _kind(new[case]))
    changes: list[Change] = []
    for case in both:
        if case.name not in unlike:
            found = _changes(case, kernels(old[case]), kernels(new[case]))
            changes += sorted(found, key=lambda change: -abs(change.difference))
    return Comparison(len(both), tuple(changes), unlike)


def _kind(measurement: Measurement) -> object:
    return measurement.notes.get("kind")


def _changes(case: Case, before: Sequence[Kernel], after: Sequence[Kernel]) -> list[Change]:
    old, new = ({kernel.name: kernel.seconds for kernel in side} for side in (before, after))
    least = SMALLEST * max(sum(old.values()), sum(new.values()))
    both = [Change(case, name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new))]
    return [
        change
        for change in both
        if change.before is None
        or change.after is None
        or abs(change.difference) > max(NOTABLE * change.before, least)
    ]


def kernels_text(found: Comparison) -> str:
    """The comparison as a table a case."""
    lines = ["", f"kernels that changed, seconds a call ({_rule()}):"]
    for case, changes in _by_case(found.changes).items():
        rows = [[f"    {shorten(clean(change.name), WIDTH)}", *_cells(change)] for change in changes]
        lines += [f"  {clean(case.name)}", *align(["    kernel", *_TITLES], rows)]
    return "\n".join([*lines, *(f"  {line}" for line in _closing(found))]) + "\n"


def rows(found: Comparison) -> tuple[list[str], list[list[str]], list[str]]:
    """The comparison for another table: its header, its rows, and what is to be said below."""
    body = [[change.case.name, shorten(change.name, 150), *_cells(change)] for change in found.changes]
    return ["case", "kernel", *_TITLES], body, _closing(found)


def to_json(found: Comparison) -> dict[str, Any]:
    """The comparison as a part of a document, with whole names and seconds."""
    return {
        "profiled": found.profiled,
        "unlike": list(found.unlike),
        "changes": [
            {
                "case": change.case.name,
                "kernel": change.name,
                "before": change.before,
                "after": change.after,
                "change": change.relative,
            }
            for change in found.changes
        ],
    }


_TITLES = ("before", "after", "change")


def _cells(change: Change) -> list[str]:
    if change.before is None:
        said = "new"
    elif change.after is None:
        said = "gone"
    else:
        said = units.change(Estimate(change.relative) if change.relative is not None else None)
    return [units.human(change.before, "s"), units.human(change.after, "s"), said]


def _rule() -> str:
    return f"by more than {NOTABLE:.0%}, and {SMALLEST:.0%} of the case; not judged"


def _closing(found: Comparison) -> list[str]:
    lines = [f"{name}: kernels in one run, operators in the other: not compared" for name in found.unlike]
    quiet = found.profiled - len(found.unlike) - len(_by_case(found.changes))
    if quiet:
        cases = plural(found.profiled, "case")
        lines.append(f"{quiet} of {found.profiled} profiled {cases}: the same kernels in the same time")
    return lines


def _by_case(changes: Iterable[Change]) -> Mapping[Case, list[Change]]:
    found: dict[Case, list[Change]] = {}
    for change in changes:
        found.setdefault(change.case, []).append(change)
    return found
