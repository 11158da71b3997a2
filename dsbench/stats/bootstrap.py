"""Intervals by resampling, for statistics of a few items that were each seen by both sides.

Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13. Percentiles of few items give intervals
that are too narrow; they are widened as Hesterberg, "What Teachers Should Know About the Bootstrap", The
American Statistician 69 (2015), section 4.3 says ("expanded percentile"): by Student's quantile and by
n / (n - 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsbench.stats.distributions import normal_tail, student_quantile
from dsbench.stats.intervals import Estimate

Numbers = NDArray[np.float64]


def paired(
    columns: Sequence[Sequence[float]],
    statistic: Callable[..., Any],
    confidence: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
) -> Estimate:
    """A statistic of items with its interval over items, the columns of an item kept together.

    Args:
        columns: what is known of each item, a column a fact; all of the same length.
        statistic: takes an array a column, of shape (..., items), and gives one of shape (...).
        confidence: the coverage of the interval, two-sided.
        draws: how many resamples.
        seed: the same seed gives the same interval, so that nothing changes where no number did.

    Returns:
        The statistic of the items as they are; without an interval for a single item.

    Raises:
        ValueError: there are no items, or the columns differ in length.
    """
    items = np.array(columns, dtype=np.float64)
    count = items.shape[-1]
    if count == 0:
        raise ValueError("there are no items to resample")
    value = float(statistic(*items))
    if count == 1:
        return Estimate(value)
    chosen = np.random.default_rng(seed).integers(count, size=(draws, count))
    resampled: Numbers = statistic(*(column[chosen] for column in items))
    student = float(student_quantile(count - 1, (1 - confidence) / 2))
    tail = normal_tail(math.sqrt(count / (count - 1)) * student)
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))
