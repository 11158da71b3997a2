"""METRICS: one row a metric, computed from a measurement's samples and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dsbench.records import Measurement, Sample
from dsbench.stats.intervals import Estimate, of_rounds


@dataclass(frozen=True)
class Metric:
    """A number with a unit, a direction and a formula.

    `reading` names the samples it is computed from and `probe` who takes them. A metric with a
    `tolerance` is deterministic: two values count as the same within that relative difference, or
    within `resolution` in the metric's unit, without any test. A metric that is not `primary` follows
    from another one, so it is shown but neither stored nor judged a second time.
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
    primary: bool = True

    def of(self, measurement: Measurement) -> Estimate | None:
        """The metric's value for a measurement, None when it has no such reading."""
        samples = measurement.readings.get(self.reading, ())
        return self.formula(measurement, samples) if samples else None

    @property
    def typical(self) -> bool:
        """Whether it is the typical reading over rounds, which `of_many` takes of many cases at once."""
        return self.formula is _typical


def numbered(samples: Iterable[Sample]) -> dict[int, list[float]]:
    """The samples' values by the round's number, rounds in order."""
    rounds: dict[int, list[float]] = {}
    for sample in sorted(samples, key=lambda sample: sample.round):
        rounds.setdefault(sample.round, []).append(sample.value)
    return rounds


def by_round(samples: Iterable[Sample]) -> list[list[float]]:
    """The samples' values, a list a round, rounds in order."""
    return list(numbered(samples).values())


def _typical(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    return of_rounds(by_round(samples))


def _largest(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    return Estimate(max(sample.value for sample in samples))


def _flop_rate(measurement: Measurement, samples: tuple[Sample, ...]) -> Estimate | None:
    flops = measurement.work.flops
    seconds = of_rounds(by_round(samples))
    if flops is None or seconds.value <= 0:
        return None
    if seconds.low is None or seconds.high is None or seconds.low <= 0:
        return Estimate(flops / seconds.value)
    return Estimate(flops / seconds.value, flops / seconds.high, flops / seconds.low)


def _reached(measurement: Measurement, samples: tuple[Sample, ...]) -> Estimate | None:
    floor, seconds = measurement.work.floor, of_rounds(by_round(samples))
    if floor is None or seconds.value <= 0:
        return None
    if seconds.low is None or seconds.high is None or seconds.low <= 0:
        return Estimate(floor / seconds.value)
    return Estimate(floor / seconds.value, floor / seconds.high, floor / seconds.low)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "latency",
            unit="s",
            direction="lower",
            probe="latency",
            reading="latency",
            formula=_typical,
            meaning="seconds a call takes with its data as warm as repeated calls leave it",
        ),
        Metric(
            "latency_cold",
            unit="s",
            direction="lower",
            probe="latency",
            reading="latency_cold",
            formula=_typical,
            meaning="seconds a call takes after the last-level cache was flushed",
        ),
        Metric(
            "launch_overhead",
            unit="s",
            direction="lower",
            probe="latency",
            reading="launch_overhead",
            formula=_typical,
            meaning="seconds the host is busy with a call before the device can work alone",
        ),
        Metric(
            "latency_graph",
            unit="s",
            direction="lower",
            probe="latency",
            reading="latency_graph",
            formula=_typical,
            meaning="seconds a call takes when a device graph of it is replayed, with its data warm",
        ),
        Metric(
            "compile_time",
            unit="s",
            direction="lower",
            probe="latency",
            reading="compile_time",
            formula=_typical,
            meaning="seconds the first call takes beyond a later one: compiling, tuning, loading libraries",
            primary=False,
        ),
        Metric(
            "throughput",
            unit="FLOP/s",
            direction="higher",
            probe="latency",
            reading="latency",
            formula=_flop_rate,
            meaning="floating-point operations of the work formula over the latency",
            primary=False,
        ),
        Metric(
            "roofline",
            unit="%",
            direction="higher",
            probe="latency",
            reading="latency",
            formula=_reached,
            meaning="share of the binding ceiling of this device, as measured, that the call reaches",
            primary=False,
        ),
        Metric(
            "error",
            unit="1",
            direction="lower",
            probe="error",
            reading="error",
            formula=_largest,
            meaning="largest distance to the oracle, relative to the oracle's norm",
            tolerance=0.05,
            resolution=1e-5,
        ),
        Metric(
            "mismatch",
            unit="1",
            direction="lower",
            probe="error",
            reading="mismatch",
            formula=_largest,
            meaning="largest relative distance to the candidate's own reference: is it computed right?",
            tolerance=0.05,
            resolution=1e-5,
        ),
        Metric(
            "peak_memory",
            unit="B",
            direction="lower",
            probe="memory",
            reading="peak_memory",
            formula=_largest,
            meaning="most memory held at once during a call, beyond what its inputs hold",
            tolerance=0.02,
            resolution=2**18,
        ),
        Metric(
            "energy",
            unit="J",
            direction="lower",
            probe="energy",
            reading="energy",
            formula=_typical,
            meaning="joules the device consumes a call, when calls follow each other without a break",
        ),
        Metric(
            "kernel_time",
            unit="s",
            direction="lower",
            probe="profile",
            reading="kernel_time",
            formula=_typical,
            meaning="seconds of device kernels in a call by torch's profiler; of host operators where the "
            "device is the host",
        ),
    )
}
"""Every metric by name."""

PROBES: tuple[str, ...] = tuple(dict.fromkeys(metric.probe for metric in METRICS.values()))
"""Every probe that a benchmark can ask for."""


def evaluate(measurement: Measurement) -> dict[str, Estimate]:
    """Every metric that a measurement's readings give, by name."""
    found = {
        metric.name: metric.of(measurement)
        for metric in METRICS.values()
        if metric.probe == measurement.probe
    }
    return {name: estimate for name, estimate in found.items() if estimate is not None}
