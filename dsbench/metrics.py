"""METRICS: one row a metric, computed from a measurement's samples and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dsbench.items import accuracy, accuracy_difference
from dsbench.load.outcome import LOAD
from dsbench.records import Measurement, Sample
from dsbench.retained import RETENTION
from dsbench.stats.intervals import Estimate, of_rounds
from dsbench.stats.signed_rank import hodges_lehmann

REFERENCE = "reference"
"""The probe of `dsbench run --reference`: it holds a case against a revision, and no benchmark asks it."""


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

    def bound(self, estimate: Estimate) -> float:
        """The end of the interval that is worse for the metric, the value itself without an interval: what
        a deterministic metric is judged by, so that few items cannot pass for many."""
        end = estimate.low if self.direction == "higher" else estimate.high
        return estimate.value if end is None else end

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


def _steepest(measurement: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    """The round with the largest slope, with the interval that was found in it."""
    at = max(range(len(samples)), key=lambda index: samples[index].value)
    low, high = (measurement.readings[f"leak_{end}"][at].value for end in ("low", "high"))
    return Estimate(samples[at].value, low, high)


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


_SHARES = {
    "device_busy": "share of the time in which the device worked at all; of cores, their processor time",
    "kernel_busy": "share of the time in which kernels ran, by the profiler, when calls follow each other",
    "sm_active": "share of the multiprocessors that had work, on average (NVML GPM)",
    "sm_occupancy": "warps that were active over those that would fit (NVML GPM)",
    "tensor_active": "share of the time in which tensor cores worked (NVML GPM)",
    "dram_active": "share of the device memory's bandwidth (NVML GPM) or of its controller's time (amdsmi)",
}


def _paired(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    found = hodges_lehmann([math.log(sample.value) for sample in samples], confidence=0.95)
    low, high = (None if edge is None else math.exp(edge) for edge in (found.low, found.high))
    return Estimate(math.exp(found.value), low, high)


def _smallest(_: Measurement, samples: tuple[Sample, ...]) -> Estimate:
    return Estimate(min(sample.value for sample in samples))


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
            "sqnr",
            unit="dB",
            direction="higher",
            probe="sqnr",
            reading="sqnr",
            formula=_smallest,
            meaning="the oracle's power over that of the error: 20 log10 of one over `error`",
            primary=False,
        ),
        Metric(
            "accuracy",
            unit="%",
            direction="higher",
            probe="accuracy",
            reading="accuracy",
            formula=accuracy,
            meaning="share of a task's items that are answered right, over seeds",
            tolerance=0.01,
        ),
        Metric(
            "accuracy_difference",
            unit="pp",
            direction="higher",
            probe="accuracy",
            reading="accuracy_difference",
            formula=accuracy_difference,
            meaning="accuracy less the baseline's, item by item and seed by seed, in percentage points",
            tolerance=0.0,
            resolution=0.01,
        ),
        Metric(
            "size_ratio",
            unit="%",
            direction="lower",
            probe="accuracy",
            reading="size_ratio",
            formula=_largest,
            meaning="bytes of the serialised model over the baseline's",
            tolerance=0.02,
        ),
        Metric(
            "model_size",
            unit="B",
            direction="lower",
            probe="accuracy",
            reading="model_size",
            formula=_largest,
            meaning="bytes of the serialised model",
            tolerance=0.02,
            primary=False,
        ),
        Metric(
            "size_ratio_without_embeddings",
            unit="%",
            direction="lower",
            probe="accuracy",
            reading="size_ratio_without_embeddings",
            formula=_largest,
            meaning="the same, embeddings left out on both sides",
            tolerance=0.02,
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
            "leak_slope",
            unit="B/step",
            direction="lower",
            probe="leak",
            reading="leak_slope",
            formula=_steepest,
            meaning="bytes that the process holds more after every call",
            tolerance=0.1,
            resolution=256.0,
        ),
        Metric(
            "leak_files",
            unit="/step",
            direction="lower",
            probe="leak",
            reading="leak_files",
            formula=_largest,
            meaning="file descriptors that stay open after every call",
            tolerance=0.1,
            resolution=0.05,
        ),
        Metric(
            "achieved",
            unit="%",
            direction="higher",
            probe="utilisation",
            reading="call",
            formula=_reached,
            meaning="share of the binding ceiling that calls in a row reach, launching included",
            primary=False,
        ),
        *(
            Metric(
                name,
                unit="%",
                direction="higher",
                probe="utilisation",
                reading=name,
                formula=_typical,
                meaning=meaning,
                primary=False,  # a better program may keep its device less busy
            )
            for name, meaning in _SHARES.items()
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
        *(Metric(probe="retention", **row) for row in RETENTION),
        *(
            Metric(
                name,
                unit=unit,
                direction=direction,
                probe="load",
                reading=name,
                formula=_typical,
                meaning=meaning,
                primary=primary,
            )
            for name, (unit, direction, meaning, primary) in LOAD.items()
        ),
        Metric(
            "ratio_to_reference",
            unit="1",
            direction="lower",
            probe=REFERENCE,
            reading="ratio",
            formula=_paired,
            meaning="latency over that of a pinned revision, measured in turns: free of the machine's drift",
        ),
    )
}
"""Every metric by name."""

PROBES: tuple[str, ...] = tuple(
    dict.fromkeys(metric.probe for metric in METRICS.values() if metric.probe != REFERENCE)
)
"""Every probe that a benchmark can ask for."""


def evaluate(measurement: Measurement) -> dict[str, Estimate]:
    """Every metric that a measurement's readings give, by name."""
    found = {
        metric.name: metric.of(measurement)
        for metric in METRICS.values()
        if metric.probe == measurement.probe
    }
    return {name: estimate for name, estimate in found.items() if estimate is not None}
