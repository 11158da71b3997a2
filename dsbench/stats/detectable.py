"""The smallest change that a comparison could show."""

from __future__ import annotations

import math

from dsbench.stats.distributions import student_quantile


def smallest_change(spread: float, rounds: float, paired: bool, power: float = 0.8) -> float | None:
    """The relative change that a two-sided test at 5 % finds with the given power.

    Args:
        spread: standard deviation over rounds of the logarithm of a round's median, or, when `paired`,
            of the difference of two logarithms within a round.
        rounds: rounds of each side.
        paired: whether both sides share their rounds.
        power: how often it is to be found.

    Returns:
        The change as a fraction, 0.01 for 1 %; None with fewer than two rounds, which have no spread.

    Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd ed., chapter 2, with
    the quantile of Student's t in place of the noncentral distribution.
    """
    count = math.floor(rounds)
    if count < 2:
        return None
    freedom = count - 1 if paired else 2 * (count - 1)
    quantiles = float(student_quantile(freedom, 0.975) + student_quantile(freedom, power))
    return math.expm1(quantiles * spread * math.sqrt((1 if paired else 2) / count))
