"""Comparing two sides from what their rounds say: `log_ratio` for rounds of different runs,
`paired_log_ratio` for candidates that took turns within the same rounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median

from dsbench.stats.distributions import student_quantile
from dsbench.stats.intervals import Estimate, variance


def paired_log_ratio(
    before: Mapping[int, Sequence[float]], after: Mapping[int, Sequence[float]], confidence: float = 0.95
) -> Estimate | None:
    """The logarithm of after / before by Student's interval on the differences within each round, which
    what disturbs a whole round does not widen. Rounds that one side lacks are left out; None when no
    round is left, and without an interval when one is.

    Args:
        before, after: positive readings by the round's number, none of them empty.
        confidence: the coverage of the interval.
    """
    differences = [
        math.log(median(after[number])) - math.log(median(before[number]))
        for number in sorted(before.keys() & after.keys())
    ]
    if not differences:
        return None
    centre = fmean(differences)
    if len(differences) < 2:
        return Estimate(centre)
    error = math.sqrt(variance(differences) / len(differences))
    margin = float(student_quantile(len(differences) - 1, (1 + confidence) / 2)) * error
    return Estimate(centre, centre - margin, centre + margin)


def log_ratio(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], confidence: float = 0.99
) -> Estimate:
    """The logarithm of after / before, with Welch's interval on the logarithms of the rounds' medians.

    Rounds, not samples, are what repeats independently; samples of one process taken as independent
    find a difference nearly always. A side with fewer than two rounds has no spread to judge by, so
    the estimate then comes without an interval.

    Args:
        before, after: positive readings by round, none of them empty.
        confidence: the coverage of the interval.

    Source: Welch, "The generalization of Student's problem", Biometrika 34 (1947).
    """
    left = [math.log(median(readings)) for readings in before]
    right = [math.log(median(readings)) for readings in after]
    centre = fmean(right) - fmean(left)
    if min(len(left), len(right)) < 2:
        return Estimate(centre)
    parts = [variance(side) / len(side) for side in (left, right)]
    error = sum(parts)
    if error == 0:
        return Estimate(centre, centre, centre)
    freedom = error**2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (left, right), strict=True)
    )
    margin = float(student_quantile(freedom, (1 + confidence) / 2)) * math.sqrt(error)
    return Estimate(centre, centre - margin, centre + margin)
