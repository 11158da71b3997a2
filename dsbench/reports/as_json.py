"""A run, and verdicts, as one strict JSON document for other programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dsbench.gate import Judged, Outcome, Verdict
from dsbench.metrics import METRICS, evaluate
from dsbench.records import Case, Measurement, Run, identity
from dsbench.reports import kernels as profiled
from dsbench.reports.repeat import command_line
from dsbench.reports.summary import unmeasured
from dsbench.reports.verdicts import by_seriousness, unit_of
from dsbench.stats.intervals import Estimate

FORMAT = 1
"""The version of both documents; raised when a reader of the old one would misread the new one."""


def run_json(run: Run) -> str:
    """A run as a document of this shape, times in seconds since the epoch::

        {"format": 1, "type": "run", "id": str, "started": float, "ended": float | null,
         "environment": {...}, "settings": {...}, "baselines": {benchmark: candidate},
         "planned": [case name], "unmeasured": [case name], "suite_errors": {suite: message},
         "measurements": [
            {"case": {"name", "suite", "benchmark", "candidate", "point": {axis: value}, "version"},
             "id": str, "repeat": str, "probe": str, "status": str, "reason": str,
             "metrics": {name: {"value", "low": float | null, "high": float | null, "unit", "direction"}},
             "readings": {name: [[value, round, calls] or [value, round, calls, mark]]},
             "work": {"flops": float | null, "bytes": float | null}, "notes": {...}, "detail": str}]}

    `id` is what ``dsbench repro`` takes, and `repeat` the command that it stands for.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
    """
    header = {key: value for key, value in run.header().items() if key not in ("type", "format")}
    return _dump(
        {
            "format": FORMAT,
            "type": "run",
            **header,
            "ended": run.ended,
            "unmeasured": unmeasured(run),
            "measurements": [_measurement(run, m) for m in run.measurements],
        }
    )


def verdicts_json(
    verdicts: Iterable[Verdict],
    exit_code: int,
    difference: Mapping[str, tuple[str, str]] | None = None,
    kernels: profiled.Comparison | None = None,
    judged: Judged | None = None,
) -> str:
    """Verdicts, the most serious first, as a document of this shape::

        {"format": 1, "type": "verdicts", "exit_code": int, "summary": {outcome: count},
         "judged": {"place": str, "commit": str, "baseline": str} | null,
         "difference": {fact: {"before": str, "after": str}},
         "verdicts": [
            {"outcome": str, "case": {as in a run}, "metric": str, "unit": str,
             "before": estimate, "after": estimate, "change": estimate,
             "threshold": float, "smallest": float | null, "reason": str,
             "id": str, "acknowledged": str, "lapsed": str, "probe": str}],
         "kernels": {"profiled": int, "unlike": [case name], "changes": [
            {"case": str, "kernel": str, "before": float | null, "after": float | null,
             "change": float | null}]} | null}

    An estimate is ``{"value", "low": float | null, "high": float | null}`` or null; `change` and
    `threshold` are relative to the old value (0.05 is 5 %), and so is `smallest`, the smallest change that
    could have been shown. `metric` is empty when the verdict is about a probe as a whole, which `probe` then
    names, or about all of the case. `id` is what ``dsbench ack`` takes; `acknowledged` says why the change
    was accepted, and `lapsed` what was and no longer covers it; each is empty where there is no such thing.
    `kernels` is null unless both runs profiled a case; its times are seconds
    of a call.

    Args:
        verdicts: what the gate said.
        exit_code: what the gate exits with.
        difference: facts of the environments that differ, by name: (before, after).
        kernels: what changed between the runs' profiles, if both have some.
        judged: what the verdicts are of.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
    """
    found = by_seriousness(verdicts)
    counted = Counter(verdict.outcome for verdict in found)
    facts = difference or {}
    return _dump(
        {
            "format": FORMAT,
            "type": "verdicts",
            "exit_code": exit_code,
            "summary": {outcome.value: counted[outcome] for outcome in Outcome},
            "judged": None if judged is None else vars(judged),
            "difference": {name: {"before": a, "after": b} for name, (a, b) in facts.items()},
            "verdicts": [_verdict(verdict) for verdict in found],
            "kernels": None if kernels is None else profiled.to_json(kernels),
        }
    )


def _measurement(run: Run, measurement: Measurement) -> dict[str, Any]:
    row = measurement.to_json()
    del row["type"]
    metrics = {
        name: {
            **_estimate(found),
            "unit": METRICS[name].unit,
            "direction": METRICS[name].direction,
        }
        for name, found in evaluate(measurement).items()
    }
    return {
        "id": identity(run, measurement),
        **row,
        "case": _case(measurement.case),
        "metrics": metrics,
        "repeat": command_line(run, measurement.case),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    numbers = {"before": verdict.before, "after": verdict.after, "change": verdict.change}
    return {
        "outcome": verdict.outcome.value,
        "case": _case(verdict.case),
        "metric": verdict.metric,
        "unit": unit_of(verdict),
        **{name: None if found is None else _estimate(found) for name, found in numbers.items()},
        "threshold": verdict.threshold,
        "smallest": verdict.smallest,
        "reason": verdict.reason,
        "id": verdict.id,
        "acknowledged": verdict.acknowledged,
        "lapsed": verdict.lapsed,
        "probe": verdict.probe,
    }


def _case(case: Case) -> dict[str, Any]:
    return {"name": case.name, **case.to_json()}


def _estimate(found: Estimate) -> dict[str, float | None]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _dump(document: Mapping[str, Any]) -> str:
    # ASCII, so that it survives every pipe whatever the encoding of the terminal.
    return json.dumps(document, allow_nan=False) + "\n"
