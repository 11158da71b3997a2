"""Verdicts as text for the terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping

from dsbench.gate import Outcome, Verdict
from dsbench.metrics import METRICS
from dsbench.reports import units
from dsbench.reports.kernels import Comparison, kernels_text
from dsbench.reports.plain import align, clean, shorten
from dsbench.reports.table import WIDTH

_SERIOUSNESS = {outcome: rank for rank, outcome in enumerate(Outcome)}
_INDENT = " " * 4

FAILING = (Outcome.MISSING, Outcome.BROKEN, Outcome.WORSE)
"""Outcomes whose id is shown, because they can be acknowledged."""


def by_seriousness(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The most serious first, and among equals the largest change."""
    return sorted(
        verdicts,
        key=lambda verdict: (
            _SERIOUSNESS[verdict.outcome],
            -abs(verdict.change.value) if verdict.change else 0.0,
        ),
    )


def counts(verdicts: Iterable[Verdict]) -> str:
    """How many of each outcome, the most serious first: ``1 missing, 2 worse (1 acknowledged), 34 same``."""
    verdicts = list(verdicts)
    found = Counter(verdict.outcome for verdict in verdicts)
    accepted = Counter(verdict.outcome for verdict in verdicts if verdict.acknowledged)
    told = [
        f"{found[o]} {o}" + (f" ({accepted[o]} acknowledged)" if accepted[o] else "")
        for o in Outcome
        if found[o]
    ]
    return ", ".join(told) or "nothing was compared"


def told(verdict: Verdict) -> str:
    """Why a verdict is what it is and what could have been seen, after the id by which it can be
    acknowledged, and why it was or no longer is."""
    parts = [
        f"acknowledged: {verdict.acknowledged}" if verdict.acknowledged else "",
        f"no longer acknowledged: {verdict.lapsed}" if verdict.lapsed else "",
        verdict.reason,
    ]
    if verdict.smallest is not None:
        parts.append(f"{units.percent(verdict.smallest)} could have been shown")
    text = "; ".join(filter(None, parts))
    return f"[{verdict.id}] {text}" if verdict.id and verdict.outcome in FAILING else text


def sentence(verdict: Verdict) -> str:
    """A verdict's numbers and reason in one line, for places that have no table."""
    numbers = f"{verdict.metric} {units.change(verdict.change)}" if verdict.change else verdict.metric
    return ": ".join(clean(part) for part in (numbers, told(verdict)) if part)


def unit_of(verdict: Verdict) -> str:
    """The unit of a verdict's numbers; empty when it is about a metric that no longer exists."""
    metric = METRICS.get(verdict.metric)
    return metric.unit if metric else ""


def verdicts_text(
    verdicts: Iterable[Verdict],
    difference: Mapping[str, tuple[str, str]] | None = None,
    verbose: bool = False,
    kernels: Comparison | None = None,
) -> str:
    """A block a verdict (case, numbers, reason), what differs between the environments, and the counts.

    Args:
        verdicts: what the gate said.
        difference: facts of the environments that differ, by name: (before, after).
        verbose: whether those that are the same are shown and not only counted.
        kernels: what changed between the runs' profiles, if both have some.
    """
    found = by_seriousness(verdicts)
    shown = [verdict for verdict in found if verbose or verdict.outcome is not Outcome.SAME]
    rows = [row for verdict in shown for row in _rows(verdict)]
    header = ["outcome", "case, metric", "before", "after", "change", "threshold"]
    lines = [*align(header, rows, left=2), ""] if rows else []
    if difference:
        facts = [[_INDENT + clean(name), clean(a), clean(b)] for name, (a, b) in difference.items()]
        lines += ["the environments differ:", *align([_INDENT, "before", "after"], facts, left=3), ""]
    return "\n".join([*lines, counts(found)]) + "\n" + (kernels_text(kernels) if kernels else "")


def _rows(verdict: Verdict) -> list[list[str]]:
    unit = unit_of(verdict)
    name = clean(verdict.case.name)
    rows = [[verdict.outcome.value, f"{name} (acknowledged)" if verdict.acknowledged else name]]
    if verdict.metric:
        rows.append(
            [
                "",
                f"  {clean(verdict.metric)}",
                units.estimate(verdict.before, unit),
                units.estimate(verdict.after, unit),
                units.change(verdict.change),
                units.percent(verdict.threshold or None),
            ]
        )
    # Long enough for every reason that was written for people, not for a traceback pasted into one.
    reason = shorten(clean(told(verdict)), 5 * WIDTH)
    return [*rows, *(["", _INDENT + line] for line in textwrap.wrap(reason, WIDTH - 20))]
