"""From samples to a number: the formulas of the metrics.

Each takes a measurement and the samples of the metric's reading, at least one, and gives an estimate in the
metric's unit, or None where the measurement does not say what the formula needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dsbench.records import Measurement, Sample
from dsbench.stats.intervals import Estimate, of_rounds
from dsbench.stats.signed_rank import hodges_lehmann


def numbered(samples: Iterable[Sample]) -> dict[int, list[float]]:
    """The samples' values by the round's number, rounds in order."""
    rounds: dict[int, list[float]] = {}
    for sample in sorted(samples, key=lambda sample: sample.round):
        rounds.setdefault(sample.round, []).append(sample.value)
    return rounds


def by_round(samples: Iterable[Sample]) -> list[list[float]]:
    """The samples' values, a list a round, rounds in order."""
    return list(numbered(samples).values())


def typical(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    """The geometric mean of the rounds' medians, with its interval."""
    return of_rounds(by_round(samples))


def largest(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    """The largest reading of all rounds, which has no interval."""
    return Estimate(max(sample.value for sample in samples))


def smallest(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    """The smallest reading of all rounds, which has no interval."""
    return Estimate(min(sample.value for sample in samples))


def steepest(measurement: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    """The round with the largest slope, with the interval that was found in it."""
    at = max(range(len(samples)), key=lambda index: samples[index].value)
    low, high = (measurement.readings[f"leak_{end}"][at].value for end in ("low", "high"))
    return Estimate(samples[at].value, low, high)


def paired(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    """The Hodges-Lehmann centre of ratios, a reading a pair of processes, with its 95 % interval."""
    found = hodges_lehmann([math.log(sample.value) for sample in samples], confidence=0.95)
    low, high = (None if edge is None else math.exp(edge) for edge in (found.low, found.high))
    return Estimate(math.exp(found.value), low, high)


def flop_rate(measurement: Measurement, samples: tuple[Sample, ...]) -> Estimate | None:
    """Floating-point operations of a call over the seconds it typically takes."""
    return _over_seconds(measurement.work.flops, samples)


def reached(measurement: Measurement, samples: tuple[Sample, ...]) -> Estimate | None:
    """The seconds that the device's ceilings allow a call, over those it typically takes."""
    return _over_seconds(measurement.work.floor, samples)


def _over_seconds(amount: float | None, samples: tuple[Sample, ...]) -> Estimate | None:
    seconds = of_rounds(by_round(samples))
    if amount is None or seconds.value <= 0:
        return None
    if seconds.low is None or seconds.high is None or seconds.low <= 0:
        return Estimate(amount / seconds.value)
    return Estimate(amount / seconds.value, amount / seconds.high, amount / seconds.low)
