"""Whether a measurement of the probe `leak` found one: what the gate and the report of a run ask alike."""

from __future__ import annotations

from dsbench.metrics import METRICS
from dsbench.records import Measurement, Status

OPEN_FILES = METRICS["leak_files"].resolution


def leaks(measurement: Measurement) -> str:
    """The metric in which some round found a leak that the candidate does not declare, ``leak_slope`` or
    ``leak_files``; empty where none did, or the probe could not tell."""
    if measurement.probe != "leak" or measurement.status is not Status.OK or "declared" in measurement.notes:
        return ""
    if measurement.notes["verdict"] == "unknown":  # of a single call
        return ""
    if max(sample.value for sample in measurement.readings["leak_low"]) > float(measurement.notes["budget"]):
        return "leak_slope"
    files = [sample.value for sample in measurement.readings.get("leak_files", ())]
    return "leak_files" if max(files, default=0.0) > OPEN_FILES else ""
