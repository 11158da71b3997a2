"""What is known of a task's items: which were answered wrong, a list of their numbers a round."""

from __future__ import annotations

from dsbench.records import Measurement, Sample
from dsbench.stats.crossed import of_crossed
from dsbench.stats.intervals import Estimate


def answers(measurement: Measurement, wrong: str = "wrong") -> list[list[float]]:
    """1 for each item that was answered right and 0 for the others, a row a round, rounds in order.

    Args:
        measurement: of the probe ``accuracy``.
        wrong: the reading that holds the numbers of the others, ``wrong`` or ``baseline_wrong``.
    """
    missed: dict[int, set[float]] = {}
    for sample in measurement.readings.get(wrong, ()):
        missed.setdefault(sample.round, set()).add(sample.value)
    items = {sample.round: int(sample.value) for sample in measurement.readings["items"]}
    return [
        [0.0 if item in missed.get(number, ()) else 1.0 for item in range(count)]
        for number, count in sorted(items.items())
    ]


def gained(measurement: Measurement) -> list[list[float]]:
    """1 for each item that this candidate got right and the baseline wrong, −1 for the reverse, 0 for the
    others, a row a round."""
    pairs = zip(answers(measurement), answers(measurement, "baseline_wrong"), strict=True)
    return [[mine - other for mine, other in zip(*pair, strict=True)] for pair in pairs]


def accuracy(measurement: Measurement, _: tuple[Sample, ...]) -> Estimate:
    """The share of items that were answered right, over all rounds."""
    return of_crossed(answers(measurement), (0.0, 1.0))


def accuracy_difference(measurement: Measurement, _: tuple[Sample, ...]) -> Estimate:
    """That share less the baseline's, item by item and round by round."""
    return of_crossed(gained(measurement), (-1.0, 1.0))
