"""What an A/A experiment says of a machine: the same work measured as if it were two candidates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, stdev

from dsbench.metrics import numbered
from dsbench.records import Measurement, Sample
from dsbench.stats.detectable import smallest_change
from dsbench.stats.intervals import Estimate
from dsbench.stats.two_sample import paired_log_ratio


@dataclass(frozen=True)
class Noise:
    """How far readings of the same work lie apart; shares are relative to the reading.

    `within` is the typical distance of a reading from its round's median, `between` the standard
    deviation of rounds, `paired` that of the ratio of two candidates in the same round, `ratio` what
    the second seemed to take over the first, `round_seconds` what a round costs, and `causes` what
    disturbed readings, with how many.
    """

    within: float
    between: float
    paired: float
    ratio: Estimate
    round_seconds: float
    causes: Mapping[str, int]

    @property
    def honest(self) -> bool:
        """Whether the interval holds 1, as it has to for the same work."""
        low, high = self.ratio.low, self.ratio.high
        return low is None or high is None or low <= 1 <= high

    def smallest(self, seconds: float, paired: bool) -> float | None:
        """The smallest relative change that measuring for so long would show; None when it is too short
        for two rounds. Two runs share the time."""
        rounds = seconds / self.round_seconds / (1 if paired else 2)
        return smallest_change(self.paired if paired else self.between, rounds, paired)


def assess(first: Measurement, second: Measurement, seconds: float) -> Noise:
    """The noise that two measurements of the same work show.

    Args:
        first, second: their latencies, over the same rounds, at least two.
        seconds: what all rounds took together.

    Raises:
        ValueError: they share fewer than two rounds.
    """
    samples = [_latencies(one) for one in (first, second)]
    left, right = (numbered(side) for side in samples)
    shared = sorted(left.keys() & right.keys())
    log = paired_log_ratio(left, right)
    if len(shared) < 2 or log is None or log.low is None or log.high is None:
        raise ValueError("an A/A experiment needs two rounds at least")
    logs = [(math.log(median(left[number])), math.log(median(right[number]))) for number in shared]
    return Noise(
        within=median(_scatter(values) for side in (left, right) for values in side.values()),
        between=stdev(one for one, _ in logs),
        paired=stdev(other - one for one, other in logs),
        ratio=Estimate(math.exp(log.value), math.exp(log.low), math.exp(log.high)),
        round_seconds=seconds / len(shared),
        causes=Counter(sample.cause for side in samples for sample in side if sample.mark),
    )


def _latencies(measurement: Measurement) -> Sequence[Sample]:
    return measurement.readings.get("latency", ())


def _scatter(values: Sequence[float]) -> float:
    centre = median(values)
    return median(abs(value - centre) for value in values) / centre
