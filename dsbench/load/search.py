"""The highest rate at which a promise is kept: predicted in virtual time, found live."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from dsbench.load.arrivals import arrivals
from dsbench.load.outcome import keeps
from dsbench.load.serving import Policy
from dsbench.load.virtual import Calibrated, simulate

STEP = 1.25
"""By how much the next rate is higher or lower until one is kept and one is not."""

RESOLUTION = 1.07
"""Ratio of the lowest rate that is not kept to the highest that is, at which the search ends."""

COUNT = 1000
"""Requests of a run in virtual time."""


def highest(passes: Callable[[float], bool], start: float, tries: int) -> tuple[float | None, float | None]:
    """The highest rate that was seen to pass and the lowest above it that was not, None where there is none.

    It goes up from a start that passes and down from one that does not, and then halves what is between
    (on a logarithmic scale). Downwards is the safe direction: a policy that waits for a full batch fails at
    low rates, too.

    Args:
        start: the rate to try first.
        tries: how many rates to try at most.
    """
    good: float | None = None
    bad: float | None = None
    rate = start
    for _ in range(tries):
        if passes(rate):
            good = rate
        else:
            bad = rate
        if good is None:
            rate /= STEP
        elif bad is None:
            rate *= STEP
        elif bad / good <= RESOLUTION:
            break
        else:
            rate = math.sqrt(good * bad)
    return good, bad


def capacity(costs: Calibrated, lifetime: Callable[[int], int], policy: Policy, seed: int) -> float:
    """Requests a second in virtual time when all of them wait from the start."""
    return COUNT / simulate(costs, lifetime, policy, [0.0] * COUNT, seed).ended


def predict(
    costs: Calibrated,
    lifetime: Callable[[int], int],
    policy: Callable[[], Policy],
    slo: float,
    kind: str | Sequence[float],
    seed: int,
    step: float = 0.8,
) -> float | None:
    """The highest rate in virtual time, from what the engine can do at most downwards, each time by the share
    `step`; None when not even a seventieth of it keeps to the promise."""
    most = capacity(costs, lifetime, policy(), seed)
    for power in range(math.ceil(math.log(70) / -math.log(step))):
        rate: float = most * step**power
        if keeps(simulate(costs, lifetime, policy(), arrivals(kind, rate, COUNT, seed), seed), slo):
            return rate
    return None
