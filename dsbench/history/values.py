"""Which numbers of a measurement are remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dsbench.metrics import Metric
from dsbench.records import Measurement
from dsbench.stats.intervals import Estimate

Asked = Mapping[tuple[str, str, str], Sequence[Metric]]
"""The metrics that (suite, benchmark, probe) is remembered by."""


def asked(measurements: Iterable[Measurement], metrics: Mapping[str, Metric]) -> Asked:
    """The primary metrics that any of the measurements has readings for. A failure alone cannot say what
    it would have given, so where nothing was measured the probe's first metric stands for it."""
    found: dict[tuple[str, str, str], list[Metric]] = {}
    for measurement in measurements:
        known = found.setdefault(_key(measurement), [])
        known += [
            metric
            for metric in _primary(measurement.probe, metrics)
            if metric.reading in measurement.readings and metric not in known
        ]
    return {key: known or _primary(key[2], metrics)[:1] for key, known in found.items()}


def values(measurement: Measurement, of: Asked) -> Iterator[tuple[Metric, Estimate | None]]:
    """The metrics a measurement is remembered by; None for each when it has no numbers."""
    for metric in of[_key(measurement)]:
        estimate = metric.of(measurement)
        if estimate is not None or not measurement.status.has_numbers:
            yield metric, estimate


def _key(measurement: Measurement) -> tuple[str, str, str]:
    return measurement.case.suite, measurement.case.benchmark, measurement.probe


def _primary(probe: str, metrics: Mapping[str, Metric]) -> list[Metric]:
    return [metric for metric in metrics.values() if metric.primary and metric.probe == probe]
