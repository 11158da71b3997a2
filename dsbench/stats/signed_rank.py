"""Pairs of processes judged by ranks: one pair that is odd as a whole moves the result by its rank alone.

Source: Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3rd ed., sections 3.1 to 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np

from dsbench.stats.intervals import Estimate


def hodges_lehmann(differences: Sequence[float], confidence: float = 0.99) -> Estimate:
    """The median of all averages of two differences, with the exact interval of the signed-rank test.

    Args:
        differences: one number a pair.
        confidence: the coverage that the interval has at least.

    Returns:
        An estimate without an interval when so few pairs cannot carry one at this confidence.
    """
    values = np.asarray(differences, dtype=float)
    first, second = np.triu_indices(len(values))
    averages = np.sort((values[first] + values[second]) / 2)
    # The largest number of averages that may be cut from either end: P(W <= cut - 1) <= alpha / 2.
    cut = int(np.searchsorted(_distribution(len(values)), (1 - confidence) / 2, side="right"))
    if cut == 0:
        return Estimate(median(averages.tolist()))
    return Estimate(median(averages.tolist()), float(averages[cut - 1]), float(averages[-cut]))


def p_greater(differences: Sequence[float], threshold: float = 0.0) -> float:
    """How likely differences at least this large are when their centre is no more than the threshold:
    the exact one-sided signed-rank test. 1 when no pair differs from the threshold."""
    from scipy.stats import wilcoxon  # not with the module: every command would pay half a second for it

    shifted = [value - threshold for value in differences if value != threshold]
    return float(wilcoxon(shifted, alternative="greater", method="exact").pvalue) if shifted else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted so that rejecting those below a level errs in no test at all that often.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979).
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = highest
    return adjusted


@lru_cache(maxsize=64)
def _distribution(count: int) -> Any:
    """P(W <= w) for w from 0, W being the sum of a random half of the ranks 1 to `count`."""
    ways = np.ones(1)
    for rank in range(1, count + 1):
        grown = np.zeros(len(ways) + rank)
        grown[: len(ways)] += ways / 2
        grown[rank:] += ways / 2
        ways = grown
    return np.cumsum(ways)
