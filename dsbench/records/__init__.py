"""What dsbench writes down, as frozen dataclasses and JSON Lines.

Standard library only, so that every reader (gate, history, reports) starts fast and needs no device.
Every line is strict JSON: NaN and Infinity are refused on the way out.
"""

from dsbench.records.identity import identity, run_of
from dsbench.records.measurement import (
    Case,
    Measurement,
    Sample,
    Scalar,
    Status,
    Work,
    dump,
    merge_rounds,
    parse,
)
from dsbench.records.run import Device, Environment, Run

__all__ = [
    "Case",
    "Device",
    "Environment",
    "Measurement",
    "Run",
    "Sample",
    "Scalar",
    "Status",
    "Work",
    "dump",
    "identity",
    "merge_rounds",
    "parse",
    "run_of",
]
