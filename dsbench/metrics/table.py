"""METRICS: one row a metric, computed from a measurement's samples and nothing else."""

from __future__ import annotations

from dsbench.items import accuracy, accuracy_difference
from dsbench.load.outcome import LOAD
from dsbench.metrics.base import REFERENCE, Metric
from dsbench.metrics.formulas import flop_rate, largest, paired, reached, smallest, steepest, typical
from dsbench.records import Measurement
from dsbench.retained import RETENTION
from dsbench.stats.intervals import Estimate

_TIMES = {
    "latency": "seconds a call takes with its data as warm as repeated calls leave it",
    "latency_cold": "seconds a call takes after the last-level cache was flushed",
    "launch_overhead": "seconds the host is busy with a call before the device can work alone",
    "latency_graph": "seconds a call takes when a device graph of it is replayed, with its data warm",
}

_SHARES = {
    "device_busy": "share of the time in which the device worked at all; of cores, their processor time",
    "kernel_busy": "share of the time in which kernels ran, by the profiler, when calls follow each other",
    "sm_active": "share of the multiprocessors that had work, on average (NVML GPM)",
    "sm_occupancy": "warps that were active over those that would fit (NVML GPM)",
    "tensor_active": "share of the time in which tensor cores worked (NVML GPM)",
    "dram_active": "share of the device memory's bandwidth (NVML GPM) or of its controller's time (amdsmi)",
}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(
            Metric(
                name,
                unit="s",
                direction="lower",
                probe="latency",
                reading=name,
                formula=typical,
                meaning=meaning,
            )
            for name, meaning in _TIMES.items()
        ),
        Metric(
            "compile_time",
            unit="s",
            direction="lower",
            probe="latency",
            reading="compile_time",
            formula=typical,
            meaning="seconds the first call takes beyond a later one: compiling, tuning, loading libraries",
            primary=False,
        ),
        Metric(
            "throughput",
            unit="FLOP/s",
            direction="higher",
            probe="latency",
            reading="latency",
            formula=flop_rate,
            meaning="floating-point operations of the work formula over the latency",
            primary=False,
        ),
        Metric(
            "roofline",
            unit="%",
            direction="higher",
            probe="latency",
            reading="latency",
            formula=reached,
            meaning="share of the binding ceiling of this device, as measured, that the call reaches",
            primary=False,
        ),
        Metric(
            "error",
            unit="1",
            direction="lower",
            probe="error",
            reading="error",
            formula=largest,
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
            formula=largest,
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
            formula=smallest,
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
            formula=largest,
            meaning="bytes of the serialised model over the baseline's",
            tolerance=0.02,
        ),
        Metric(
            "model_size",
            unit="B",
            direction="lower",
            probe="accuracy",
            reading="model_size",
            formula=largest,
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
            formula=largest,
            meaning="the same, embeddings left out on both sides",
            tolerance=0.02,
        ),
        Metric(
            "peak_memory",
            unit="B",
            direction="lower",
            probe="memory",
            reading="peak_memory",
            formula=largest,
            meaning="most memory held at once during a call, beyond what its inputs hold",
            tolerance=0.02,
            resolution=2**18,
            wavering=True,
        ),
        Metric(
            "leak_slope",
            unit="B/step",
            direction="lower",
            probe="leak",
            reading="leak_slope",
            formula=steepest,
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
            formula=largest,
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
            formula=reached,
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
                formula=typical,
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
            formula=typical,
            meaning="joules the device consumes a call, when calls follow each other without a break",
        ),
        Metric(
            "kernel_time",
            unit="s",
            direction="lower",
            probe="profile",
            reading="kernel_time",
            formula=typical,
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
                formula=typical,
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
            formula=paired,
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
