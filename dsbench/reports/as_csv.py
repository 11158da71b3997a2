"""A run as CSV, one row a case and metric, for spreadsheets and data frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from dsbench.metrics import METRICS, evaluate
from dsbench.records import Measurement, Run, Scalar

_BEFORE = ("run", "machine", "backend", "device", "commit", "suite", "benchmark", "candidate")
_AFTER = ("probe", "metric", "unit", "value", "low", "high", "status", "reason")


def run_csv(run: Run) -> str:
    """The run's metrics, with one column an axis between the candidate and the probe.

    A probe without numbers has one row whose metric is empty. An axis that is called like another
    column gets the prefix ``axis_``.
    """
    axes = list(dict.fromkeys(axis for m in run.measurements for axis in m.case.at))
    names = [f"axis_{axis}" if axis in (*_BEFORE, *_AFTER) else axis for axis in axes]
    rows = [
        [*_before(run, m), *(m.case.at.get(axis) for axis in axes), *after]
        for m in run.measurements
        for after in _metrics(m)
    ]
    # As objects, since a column with gaps would otherwise turn its whole numbers into fractions.
    frame = pd.DataFrame(rows, columns=[*_BEFORE, *names, *_AFTER], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")


def _before(run: Run, measurement: Measurement) -> list[Scalar | None]:
    here, case = run.environment, measurement.case
    return [
        run.id,
        here.machine,
        here.device.backend,
        here.device.name,
        here.commit,
        case.suite,
        case.benchmark,
        case.candidate,
    ]


def _metrics(measurement: Measurement) -> Iterator[list[Any]]:
    ended = [measurement.status.value, measurement.reason]
    found = evaluate(measurement)
    if not found:
        yield [measurement.probe, "", "", None, None, None, *ended]
    for name, value in found.items():
        yield [measurement.probe, name, METRICS[name].unit, value.value, value.low, value.high, *ended]
