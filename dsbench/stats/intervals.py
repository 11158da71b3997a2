"""Intervals for one series of readings.

The unit of evidence is the round (a fresh process), because readings of one process share its luck:
memory layout, hash seed, the core it landed on. See Kalibera and Jones, "Rigorous Benchmarking in
Reasonable Time", ISMM 2013.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, median

import numpy as np

from dsbench.stats.distributions import student_quantile


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval, in the unit of the readings; `low` and `high` are None when the
    readings cannot carry an interval."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def half_width(self) -> float | None:
        """Half the interval relative to the value, None without an interval or at zero."""
        if self.low is None or self.high is None or self.value == 0:
            return None
        return (self.high - self.low) / 2 / abs(self.value)


def of_median(readings: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The median with its distribution-free interval between two order statistics.

    Args:
        readings: at least one number; fewer than six cannot carry a 95 % interval.
        confidence: the coverage that the interval has at least.

    Source: David and Nagaraja, "Order Statistics", 3rd ed., section 7.1.
    """
    ordered = sorted(readings)
    count = len(ordered)
    rank = _rank(count, confidence)
    if rank < 0:
        return Estimate(median(ordered))
    return Estimate(median(ordered), ordered[rank], ordered[count - 1 - rank])


@lru_cache(maxsize=256)
def _rank(count: int, confidence: float) -> int:
    """The largest rank whose binomial tail still leaves enough coverage between it and its mirror; -1 when
    there is none. Exact, in whole numbers."""
    rank, ways, below = -1, 1, 1
    while rank + 1 < count // 2 and 2 * (below / 2**count) <= 1 - confidence:
        rank += 1
        ways = ways * (count - rank) // (rank + 1)
        below += ways
    return rank


def of_rounds(rounds: Sequence[Sequence[float]], confidence: float = 0.95) -> Estimate:
    """The typical reading over rounds: the geometric mean of the rounds' medians, with Student's
    interval on their logarithms. With a single round, that round's median and the interval within it,
    which says nothing about other processes.

    Args:
        rounds: readings by round, none of them empty.
        confidence: the coverage of the interval.
    """
    if len(rounds) == 1:
        return of_median(rounds[0], confidence)
    medians = [median(readings) for readings in rounds]
    if min(medians) <= 0:  # no logarithm: the interval is taken on the numbers themselves
        centre, margin = fmean(medians), _margin(medians, confidence)
        return Estimate(centre, centre - margin, centre + margin)
    logs = [math.log(value) for value in medians]
    centre, margin = fmean(logs), _margin(logs, confidence)
    return Estimate(math.exp(centre), math.exp(centre - margin), math.exp(centre + margin))


def _margin(values: Sequence[float], confidence: float) -> float:
    quantile = float(student_quantile(len(values) - 1, (1 + confidence) / 2))
    return quantile * math.sqrt(variance(values) / len(values))


def variance(values: Sequence[float]) -> float:
    """The sample variance of at least two numbers; `statistics.variance` reckons with fractions, which takes
    twenty times as long."""
    centre = fmean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def of_many(
    values: Sequence[float], rounds: Sequence[int], lengths: Sequence[int], confidence: float = 0.95
) -> list[tuple[float, float | None, float | None]]:
    """`of_rounds` of many series at once, at a fraction of the time.

    Args:
        values: the readings of all series, one after the other.
        rounds: the number of each reading's round.
        lengths: how many readings each series has, at least one.
        confidence: the coverage of the intervals.

    Returns:
        Of each series the value and its interval's ends, None where it has none.
    """
    if not lengths:
        return []
    starts = np.r_[0, np.cumsum(lengths)]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    readings, numbers = np.asarray(values, dtype=float), np.asarray(rounds)
    group = owner * (int(numbers.max()) + 1) + numbers
    if not (np.diff(group) > 0).all():  # else each round has one reading, and they are in order
        order = np.lexsort((readings, group))
        readings, owner, group = readings[order], owner[order], group[order]
    new = np.flatnonzero(np.r_[True, np.diff(group) != 0])
    sizes = np.diff(np.r_[new, len(readings)])
    medians = (readings[new + (sizes - 1) // 2] + readings[new + sizes // 2]) / 2
    owner = owner[new]
    counts = np.bincount(owner)
    firsts = np.r_[0, np.cumsum(counts)[:-1]]
    logs = np.log(np.where(medians > 0, medians, 1.0))
    centres = np.add.reduceat(logs, firsts) / counts
    freedom = np.maximum(counts - 1, 1)
    variances = np.add.reduceat((logs - centres[owner]) ** 2, firsts) / freedom
    margins = student_quantile(freedom, (1 + confidence) / 2) * np.sqrt(variances / counts)
    ends = (np.exp(end).tolist() for end in (centres, centres - margins, centres + margins))
    found: list[tuple[float, float | None, float | None]] = list(zip(*ends, strict=True))
    for index in np.flatnonzero((counts < 2) | (np.minimum.reduceat(medians, firsts) <= 0)):
        here = slice(starts[index], starts[index + 1])
        by_round: dict[int, list[float]] = {}
        for round_, value in sorted(zip(rounds[here], values[here], strict=True)):
            by_round.setdefault(round_, []).append(value)
        alone = of_rounds(list(by_round.values()), confidence)
        found[index] = (alone.value, alone.low, alone.high)
    return found
