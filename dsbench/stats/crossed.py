"""Means over items answered by several trained models: every item is answered once a seed.

Seeds and items are both drawn from more that could have been drawn, so that neither alone is what repeats
independently: with many items and few seeds an interval over items is too narrow, and the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dsbench.stats.distributions import normal_quantile, student_quantile
from dsbench.stats.intervals import Estimate


def of_crossed(
    values: Sequence[Sequence[float]], extremes: tuple[float, float], confidence: float = 0.95
) -> Estimate:
    """The mean with its interval, seeds and items both at random.

    The variance of the mean is (MS_seeds + max(MS_items − MS_rest, 0)) / (seeds · items), with the mean
    squares of a two-way table without repetition, the quantile Student's with Hillis' degrees of freedom.
    It is at least the variance over items alone with one item more at either extreme, as Bonett and Price
    have it for two paired shares, because models that agree on every item of a sample may still differ on
    the next one. A single seed says nothing of others: the interval is then over items.

    Args:
        values: one row a seed and one number an item, such as 1 for right and 0 for wrong, or what two
            models differ by.
        extremes: the smallest and the largest number there can be.
        confidence: the coverage of the interval.

    Source: Hillis, "A comparison of denominator degrees of freedom methods for multiple observer ROC
    analysis", Statistics in Medicine 26 (2007), whose readers are seeds here; Bonett and Price, "Adjusted
    Wald confidence interval for a difference of binomial proportions based on paired data", Journal of
    Educational and Behavioral Statistics 37 (2012).
    """
    table = np.asarray(values, dtype=float)
    seeds, items = table.shape
    centre = float(table.mean())
    tail = (1 + confidence) / 2
    by_item = table.mean(axis=0)
    padded = np.concatenate([by_item, extremes])
    floor = normal_quantile(tail) * math.sqrt(float(padded.var()) / len(padded))
    margin = 0.0
    if seeds > 1 and items > 1:
        by_seed = table.mean(axis=1)
        of_seeds = items * float(by_seed.var(ddof=1))
        of_items = seeds * float(by_item.var(ddof=1))
        rest = table - by_seed[:, None] - by_item[None, :] + centre
        of_rest = float((rest**2).sum()) / ((seeds - 1) * (items - 1))
        total = of_seeds + max(of_items - of_rest, 0.0)
        if of_seeds > 0:
            freedom = total**2 / (of_seeds**2 / (seeds - 1))
            margin = float(student_quantile(freedom, tail)) * math.sqrt(total / (seeds * items))
    margin = max(margin, floor)
    return Estimate(centre, max(centre - margin, extremes[0]), min(centre + margin, extremes[1]))


def items_needed(values: Sequence[Sequence[float]], margin: float, confidence: float = 0.95) -> int:
    """Items that an interval of ± `margin` takes at least, if models differ on as large a share as here.

    It is where the bound that `of_crossed` has from items alone reaches the margin, so that fewer can never
    do; where seeds differ, more are needed. For models that agree on everything it is not zero.

    Args:
        values: what two models differ by, a row a seed, a number an item.
        margin: half the width that is wanted, in the unit of the values.
    """
    by_item = np.asarray(values, dtype=float).mean(axis=0)
    spread = float(by_item.var())
    # The two items more have a spread of 1 each; (n + 2)² wanted = n spread + 2, solved for n.
    wanted = (margin / normal_quantile((1 + confidence) / 2)) ** 2
    total = (spread + math.sqrt(spread**2 + 8 * wanted * (1 - spread))) / (2 * wanted)
    return math.ceil(total - 2)
