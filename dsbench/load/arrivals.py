"""When requests come: a Poisson process, bursts, or a recording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, cycle, islice, pairwise
from random import Random

BURST, CALM = 3.0, 0.5
"""Rates of the two states, over the mean rate."""

SHARE = 0.2
"""Of the time, spent in bursts: 0.2 x 3 + 0.8 x 0.5 gives the mean rate."""

DWELL = 40.0
"""How long a burst lasts on average, in requests at the mean rate."""


def arrivals(kind: str | Sequence[float], rate: float, count: int, seed: int) -> list[float]:
    """Moments in seconds from the start, in order, at a mean rate.

    Args:
        kind: ``poisson``; ``bursty``, a Poisson process whose rate changes between two states at random
            moments (a Markov-modulated one: Fischer and Meier-Hellstern, *Performance Evaluation* 18,
            1993); or a recording, the moments at which requests once came in any unit, replayed at this rate
            and as often as needed.
        rate: requests a second.
        count: how many.
        seed: of what is drawn; the same seed gives the same moments at another rate, nearer or wider.

    Raises:
        ValueError: another kind, a rate that is not positive, or a recording that has no duration or goes
            backwards.
    """
    if not rate > 0:
        raise ValueError(f"a rate of {rate:g} requests a second is not positive")
    random = Random(seed)
    if kind == "poisson":
        gaps = [random.expovariate(1.0) for _ in range(count)]
    elif kind == "bursty":
        gaps = _bursty(random, count)
    elif isinstance(kind, str):
        raise ValueError(f"unknown arrivals '{kind}': poisson, bursty, or the moments of a recording")
    else:
        gaps = _recorded(kind, count)
    return [moment / rate for moment in accumulate(gaps)]


def _bursty(random: Random, count: int) -> list[float]:
    """Gaps of mean one; being without memory, both processes may be drawn again at each change."""
    gaps: list[float] = []
    gap, burst = 0.0, random.random() < SHARE
    while len(gaps) < count:
        change = random.expovariate(1 / (DWELL if burst else DWELL * (1 - SHARE) / SHARE))
        left = change
        while (step := random.expovariate(BURST if burst else CALM)) < left:
            gaps.append(gap + step)
            left -= step
            gap = 0.0
        gap += left
        burst = not burst
    return gaps[:count]


def _recorded(moments: Sequence[float], count: int) -> list[float]:
    gaps = [after - before for before, after in pairwise(moments)]
    if not gaps or min(gaps) < 0 or sum(gaps) <= 0:
        raise ValueError("a recording needs two moments or more, in order, that are not all the same")
    mean = sum(gaps) / len(gaps)
    return [gap / mean for gap in islice(cycle(gaps), count)]
