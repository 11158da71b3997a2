"""Does a reading grow step by step? Theil-Sen slopes with Sen's interval, and a verdict taken in looks."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from dsbench.stats.intervals import Estimate

LOOKS = (16, 32, 64)
"""Blocks after which a verdict may fall. Each look uses the later half of them: what fills caches and
pools at the start is left behind, and with every look twice as much of it."""

ERROR = 0.01
"""How often all looks together may err, shared equally among them (Bonferroni)."""

STEADY = 0.95
"""Slope of a later part over that of an earlier one, below which growth is slowing down: a leak goes on as
it began, a cache finds more and more of what it is asked for."""


class Word(StrEnum):
    """What growth means."""

    CLEAN = "clean"
    UNKNOWN = "unknown"
    LEAK = "leak"


class Growth(NamedTuple):
    """A verdict with its slope per step and Sen's interval, in the readings' unit, and why it is none."""

    word: Word
    slope: Estimate
    why: str = ""


def slope(values: Sequence[float], spacing: float = 1.0, confidence: float = 0.95) -> Estimate:
    """The median of the slopes between all pairs of readings, with Sen's interval.

    Up to 29 % of the readings may be outliers before it breaks, and it assumes nothing about their
    distribution.

    Args:
        values: at least two readings, evenly spaced.
        spacing: how many steps lie between two readings.
        confidence: the coverage of the interval.

    Source: Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968).
    """
    from scipy.stats import theilslopes  # not with the module: it takes longer to import than all the rest

    found = theilslopes(values, [spacing * index for index in range(len(values))], confidence)
    return Estimate(float(found.slope), float(found.low_slope), float(found.high_slope))


def judge(minima: Sequence[float], steps: int, budget: float) -> Growth:
    """The verdict of one look.

    A caller stops at the first look that is clean, and takes no verdict of a leak before its last: the
    longer growth was watched, the fewer caches that still fill are taken for a leak.

    Args:
        minima: the smallest reading of each block so far, eight at least.
        steps: steps of a block.
        budget: growth per step that is allowed.
    """
    half = len(minima) // 2
    confidence = 1 - ERROR / len(LOOKS)
    early, late = (slope(part, steps, confidence) for part in (minima[:half], minima[half:]))
    assert late.low is not None  # theilslopes gives both ends
    assert late.high is not None
    if late.high <= budget:
        return Growth(Word.CLEAN, late)
    if late.low <= budget:
        why = f"a slope of {late.low:.4g} to {late.high:.4g} a step may or may not be above {budget:.4g}"
        return Growth(Word.UNKNOWN, late, why)
    # Both from half to half and within the later one, because a leak may follow upon a cache that is full.
    middle = half + half // 2
    third, last = (slope(part, steps).value for part in (minima[half:middle], minima[middle:]))
    if late.value < STEADY * early.value and last < STEADY * third:
        why = (
            f"growth slows down, from {early.value:.4g} to {late.value:.4g} a step: a cache that still fills?"
        )
        return Growth(Word.UNKNOWN, late, why)
    return Growth(Word.LEAK, late)


def worst(found: Sequence[Growth]) -> Word:
    """What several counters say together: one leak suffices, and all have to be clean."""
    words = {growth.word for growth in found}
    return next((word for word in (Word.LEAK, Word.UNKNOWN) if word in words), Word.CLEAN)
