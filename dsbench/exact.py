"""Deterministic metrics of two sides: compared by their tolerance, and asked again where that fails.

Some are less deterministic than they should be: the peak memory of a host process depends on what its
allocator has kept, and differs by a quarter between identical processes. So a difference counts only when
every reading of one side lies beyond every reading of the other, over several pairs of processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dsbench.gate import OVERLAP, Outcome, Verdict, judge, overlap
from dsbench.leaking import leaks
from dsbench.metrics import METRICS
from dsbench.records import Measurement, merge_rounds

ASKED = 6
"""Pairs in which a difference has to show. Six readings a side that have nothing to do with the sides lie
apart, in one direction, once in 924 times."""

_DIFFERENT = (Outcome.WORSE, Outcome.BETTER, Outcome.INCONCLUSIVE)
"""What is asked again; the last is what the gate makes of a difference whose readings overlap so far."""


@dataclass
class Exact:
    """What the deterministic probes of one case said, by side and pair."""

    _sides: tuple[list[Measurement], list[Measurement]] = field(default_factory=lambda: ([], []))
    _pairs: int = 0

    def add(self, probed: Iterable[Iterable[Measurement]]) -> None:
        """Takes in the answers of one pair."""
        self._pairs += 1
        for side, measurements in zip(self._sides, probed, strict=True):
            side += measurements

    @property
    def open(self) -> bool:
        """Whether another pair should be asked."""
        differs = any(v.outcome in _DIFFERENT and not v.standing for v in self._judge())
        return self._pairs == 0 or (self._pairs < ASKED and differs)

    def verdicts(self) -> list[Verdict]:
        """A verdict a metric, and one on a probe that fails on the second side alone."""
        return [self._believed(verdict) for verdict in self._judge()]

    def _merged(self) -> tuple[list[Measurement], list[Measurement]]:
        before, after = map(merge_rounds, self._sides)
        return before, after

    def _judge(self) -> list[Verdict]:
        before, after = self._merged()
        known = {measurement.probe for measurement in before if measurement.status.has_numbers}
        leaking = {measurement.probe for measurement in before if leaks(measurement)}
        # What has no numbers on either side is no news, and a leak on both is none.
        found = judge([m for m in after if m.probe in known or m.status.has_numbers], before)
        return [
            replace(verdict, outcome=Outcome.SAME, reason="a leak on both sides")
            if verdict.standing and METRICS[verdict.metric].probe in leaking
            else verdict
            for verdict in found
        ]

    def _believed(self, verdict: Verdict) -> Verdict:
        if verdict.outcome not in _DIFFERENT or verdict.standing:
            return verdict
        if verdict.outcome is Outcome.INCONCLUSIVE:
            return replace(verdict, reason=f"{verdict.reason} over {self._pairs} pairs")
        metric = METRICS[verdict.metric]
        before, after = (next(m for m in side if m.probe == metric.probe) for side in self._merged())
        if self._pairs < ASKED:
            told = f"it was asked in {self._pairs} of {ASKED} pairs only"
        elif not overlap(metric, before, after):
            return replace(verdict, reason=f"{verdict.reason} in each of {self._pairs} pairs")
        else:
            told = f"{OVERLAP} over {self._pairs} pairs"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{verdict.reason}, but {told}")
