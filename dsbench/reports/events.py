"""What changed in the history, as text and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dsbench.changes import Event, Key, Shift, Suspicion, key, size_of
from dsbench.history import Point, Series
from dsbench.metrics import METRICS
from dsbench.reports import units
from dsbench.reports.plain import clean

AsvSteps = Mapping[Key, Sequence[float]]
"""The commit times at which asv sees a series change."""


def events_text(
    events: Sequence[Event],
    suspicions: Sequence[Suspicion],
    new: Callable[[Shift], bool],
    asv: AsvSteps | None = None,
) -> str:
    """A block an event: when, then a line a series. Suspects come last."""
    lines = [_counted(events, suspicions, new, asv)]
    for event in events:
        first = event.shifts[0]
        mark = "new" if any(new(shift) for shift in event.shifts) else "old"
        together = f", {len(event.shifts)} series together" if len(event.shifts) > 1 else ""
        lines += ["", f"{mark}  {_at(first.point)}  in {commit_range(first)}{together}"]
        for shift in event.shifts:
            metric = METRICS[shift.series.metric]
            size = size_of(shift)
            numbers = (
                f"{units.human(shift.change.before, metric.unit)} → "
                f"{units.human(shift.change.after, metric.unit)}  {units.change(size)}"
            )
            verdict = "worse" if shift.worse else "better"
            beside = "" if asv is None else f"  asv: {'the same' if _asv_sees(shift, asv) else 'nothing'}"
            lines.append(f"     {name_of(shift.series)}")
            lines.append(f"       {numbers}  {verdict}, by chance {shift.change.chance:.1g}{beside}")
    if suspicions:
        lines += ["", "suspects: the newest points look different; measure again before believing it"]
        for suspicion in suspicions:
            verdict = "worse" if suspicion.worse else "better"
            lines.append(f"     {name_of(suspicion.series)}")
            lines.append(
                f"       about {units.percent(abs(suspicion.size))} {verdict} from {_at(suspicion.point)} on"
            )
    return "\n".join(lines)


def events_json(
    events: Sequence[Event],
    suspicions: Sequence[Suspicion],
    new: Callable[[Shift], bool],
    asv: AsvSteps | None = None,
) -> str:
    """Events and suspects in strict JSON."""
    data = {
        "events": [
            {
                "commit": event.commit,
                "commit_time": event.commit_time,
                "new": any(new(shift) for shift in event.shifts),
                "shifts": [_shift(shift, new(shift), asv) for shift in event.shifts],
            }
            for event in events
        ],
        "suspects": [
            {
                **_series(suspicion.series),
                "commit": suspicion.point.commit,
                "size": suspicion.size,
                "worse": suspicion.worse,
            }
            for suspicion in suspicions
        ],
    }
    return json.dumps(data, indent=1, allow_nan=False)


def commit_range(shift: Shift) -> str:
    """The commits that may have brought a change, as git writes a range: the first is not among them."""
    return f"{shift.last_before.commit[:8]}..{shift.first_after.commit[:8]}"


def _shift(shift: Shift, new: bool, asv: AsvSteps | None) -> dict[str, Any]:
    change, size = shift.change, size_of(shift)
    row = {
        **_series(shift.series),
        "commit": shift.point.commit,
        "range": commit_range(shift),
        "before": change.before,
        "after": change.after,
        "size": size and size.value,
        "low": size and size.low,
        "high": size and size.high,
        "chance": change.chance,
        "worse": shift.worse,
        "new": new,
    }
    return row if asv is None else {**row, "asv": _asv_sees(shift, asv)}


def _series(series: Series) -> dict[str, Any]:
    return {
        "case": series.case.name,
        "version": series.case.version,
        "metric": series.metric,
        "machine": series.machine,
        "environment": series.environment,
        "device": series.device,
        "reference": series.reference or None,
    }


def _asv_sees(shift: Shift, asv: AsvSteps) -> bool:
    times = asv[key(shift.series)]
    return any(shift.last_before.commit_time < at <= shift.first_after.commit_time for at in times)


def _counted(
    events: Sequence[Event],
    suspicions: Sequence[Suspicion],
    new: Callable[[Shift], bool],
    asv: AsvSteps | None,
) -> str:
    fresh = sum(any(new(shift) for shift in event.shifts) for event in events)
    shifts = sum(len(event.shifts) for event in events)
    told = f"{len(events)} events ({fresh} new) with {shifts} changes of series, {len(suspicions)} suspects"
    if asv is None:
        return told
    return f"{told}; asv sees {sum(map(len, asv.values()))} steps in these series"


def name_of(series: Series) -> str:
    """A series in a line: the case, the metric, what a ratio is to, and where."""
    to = f" {series.reference[:8]}" if series.reference else ""
    where = f"{series.machine}, {series.environment}, {series.device}"
    return clean(f"{series.case.name} {series.metric}{to}  on {where}")


def _at(point: Point) -> str:
    return f"{time.strftime('%Y-%m-%d', time.gmtime(point.commit_time))} {point.commit[:8]}"
