"""What names a measurement for good."""

from __future__ import annotations

import hashlib

from dsbench.records.measurement import Measurement
from dsbench.records.run import Run

DIGITS = 10
"""Hexadecimal digits of an id: of a hundred thousand measurements, two share one with a chance of half a
per cent, and then a reader says that the id is ambiguous."""


def run_of(run: Run, measurement: Measurement) -> str:
    """The id of the run that took a measurement, which in the history may be an earlier one than the
    run it was merged into."""
    return str(measurement.notes.get("run", run.id))


def identity(run: Run, measurement: Measurement) -> str:
    """A measurement's id, the same wherever the measurement is kept."""
    case = measurement.case
    text = "\n".join((run_of(run, measurement), case.name, str(case.version), measurement.probe))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
