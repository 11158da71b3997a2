"""The data of the landing page: what changed at each place, grouped into events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dsbench.gate import Outcome, Verdict, exit_code
from dsbench.metrics import METRICS, Metric
from dsbench.records import Status
from dsbench.reports.site.changed import MOVED, Changes
from dsbench.reports.site.files import Point, case_id, text
from dsbench.reports.site.inputs import Stored
from dsbench.reports.site.runs import Recent
from dsbench.reports.verdicts import by_seriousness
from dsbench.stats.intervals import Estimate

SPARK = 40
"""Newest runs of a place that a sparkline shows."""


def place_json(
    found: Changes,
    runs: Sequence[Stored],
    there: Recent,
    index: Mapping[str, int],
    metrics: Mapping[str, Metric] = METRICS,
) -> dict[str, Any]:
    """A place: its newest run, what that was held against, how many of each outcome, and the events."""
    shown = [verdict for verdict in by_seriousness(found.verdicts) if verdict.outcome is not Outcome.SAME]
    counts = Counter(verdict.outcome for verdict in found.verdicts)
    recent = list(runs[-SPARK:])
    rows = [_row(verdict, found, recent, there, index, metrics) for verdict in shown]
    return {
        "newest": found.newest.number,
        "green": found.green and found.green.number,
        "red": exit_code(found.verdicts, strict=False) != 0,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome if counts[outcome]},
        "events": events(rows),
    }


def events(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows grouped by the commits between which they moved, in the order of their most serious row.

    What has no such range, because it was never measured before, is one event, too.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["from"], row["to"]), []).append(row)
    return [{"from": begin, "to": end, "rows": group} for (begin, end), group in groups.items()]


def _row(
    verdict: Verdict,
    found: Changes,
    recent: Sequence[Stored],
    there: Recent,
    index: Mapping[str, int],
    metrics: Mapping[str, Metric],
) -> dict[str, Any]:
    case, metric = verdict.case, metrics.get(verdict.metric)
    identity = case_id(case)
    points: dict[int, Point] = {}
    if (metric is not None and verdict.outcome is not Outcome.NEW) or verdict.outcome is Outcome.BROKEN:
        points = there.points(case)
    values = [_value(points.get(run.number), index.get(verdict.metric)) for run in recent]
    before, after = _range(verdict, found, recent, points, index)
    return {
        "case": identity,
        "name": text(case.name),
        "suite": text(case.suite),
        "metric": text(verdict.metric),
        "unit": metric.unit if metric else "",
        "outcome": verdict.outcome.value,
        "better": metric.direction if metric else "",
        "change": _ends(verdict.change),
        "before": _ends(verdict.before),
        "after": _ends(verdict.after),
        "threshold": verdict.threshold,
        "reason": text(verdict.reason),
        "id": verdict.id,
        "acknowledged": text(verdict.acknowledged),
        "lapsed": text(verdict.lapsed),
        "spark": values if points and metric is not None else [],
        "from": before and before.number,
        "to": after.number,
    }


def _range(
    verdict: Verdict,
    found: Changes,
    recent: Sequence[Stored],
    points: Mapping[int, Point],
    index: Mapping[str, int],
) -> tuple[Stored | None, Stored]:
    """The runs between which a metric moved: the first since the last green one from which on it stayed
    beyond the threshold, and the run before that."""
    if verdict.outcome is Outcome.BROKEN:
        return _failing(recent, points)
    if found.green is None or verdict.outcome is Outcome.NEW or verdict.standing:
        return None, found.newest
    since = [run for run in recent if found.green.time <= run.time]
    first = len(since) - 1
    if verdict.outcome in MOVED and verdict.before is not None and verdict.change is not None and since:
        sign = 1 if verdict.change.value > 0 else -1
        while first > 1:
            value = _value(points.get(since[first - 1].number), index.get(verdict.metric))
            if value is None or sign * (value / verdict.before.value - 1) < verdict.threshold:
                break
            first -= 1
    return (since[first - 1], since[first]) if first > 0 else (found.green, found.newest)


def _failing(recent: Sequence[Stored], points: Mapping[int, Point]) -> tuple[Stored | None, Stored]:
    """The first run since which a case failed every time, and the run before; None when it never did not."""
    first = len(recent) - 1
    while first >= 0 and _failed(points.get(recent[first].number)):
        first -= 1
    return (recent[first] if first >= 0 else None), recent[min(first + 1, len(recent) - 1)]


def _failed(point: Point | None) -> bool:
    return point is not None and any(Status(status).failed for _, status, _ in point.ended)


def _value(point: Point | None, metric: int | None) -> float | None:
    return None if point is None or metric not in point.metrics else point.metrics[metric][0]


def _ends(found: Estimate | None) -> list[float | None] | None:
    if found is None:
        return None
    return [None if end is None else float(f"{end:.5g}") for end in (found.value, found.low, found.high)]
