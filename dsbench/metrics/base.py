"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dsbench.metrics.formulas import typical
from dsbench.records import Measurement, Sample
from dsbench.stats.intervals import Estimate

REFERENCE = "reference"
"""The probe of `dsbench run --reference`: it holds a case against a revision, and no benchmark asks it."""


@dataclass(frozen=True)
class Metric:
    """A number with a unit, a direction and a formula.

    `reading` names the samples it is computed from and `probe` who takes them. A metric with a
    `tolerance` is deterministic: two values count as the same within that relative difference, or
    within `resolution` in the metric's unit, without any test. A `wavering` one is so on some devices only,
    and does not differ while readings of one side lie among those of the other. A metric that is not
    `primary` follows from another one, so it is shown but neither stored nor judged a second time.
    """

    name: str
    unit: str
    direction: Literal["lower", "higher"]
    probe: str
    reading: str
    formula: Callable[[Measurement, tuple[Sample, ...]], Estimate | None]
    meaning: str
    tolerance: float | None = None
    resolution: float = 0.0
    wavering: bool = False
    primary: bool = True

    def of(self, measurement: Measurement) -> Estimate | None:
        """The metric's value for a measurement, None when it has no such reading."""
        samples = measurement.readings.get(self.reading, ())
        return self.formula(measurement, samples) if samples else None

    def bound(self, estimate: Estimate) -> float:
        """The end of the interval that is worse for the metric, the value itself without an interval: what
        a deterministic metric is judged by, so that few items cannot pass for many."""
        end = estimate.low if self.direction == "higher" else estimate.high
        return estimate.value if end is None else end

    @property
    def typical(self) -> bool:
        """Whether it is the typical reading over rounds, which `of_many` takes of many cases at once."""
        return self.formula is typical
