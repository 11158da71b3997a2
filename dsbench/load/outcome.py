"""What is read off a served load, and the metrics it becomes."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import numpy as np

from dsbench.load.serving import Served

WARM = 0.1
"""Share of the requests, the first ones, that are served and not counted."""

Row = tuple[str, Literal["lower", "higher"], str, bool]

LOAD: dict[str, Row] = {
    "latency_p50": ("s", "lower", "median of seconds from a request's intended arrival to its answer", False),
    "latency_p95": ("s", "lower", "95th percentile of the same", False),
    "latency_p99": ("s", "lower", "99th percentile of the same", True),
    "latency_p99_closed": (
        "s",
        "lower",
        "the percentile that a generator with few clients reports at the same rate, from when it sent",
        False,
    ),
    "rate_at_slo": ("req/s", "higher", "highest rate whose 99th percentile keeps to the promise (SLO)", True),
    "goodput": ("req/s", "higher", "requests a second that were answered within the promise (SLO)", True),
    "queue_share": (
        "%",
        "lower",
        "share of the latency before requests were taken in",
        False,
    ),
    "batch_size": ("1", "higher", "requests in the model at a step, on average", False),
    "busy_share": ("%", "lower", "share of the time in which the model computed", False),
}
"""Unit, direction, meaning and whether it is judged, of each metric of the probe `load`."""


def p99(latencies: list[float]) -> float:
    """The 99th percentile by nearest rank, so that it is one of the readings."""
    return _percentile(latencies, 99)


def latencies(served: Served) -> list[float]:
    """Seconds from the intended arrival to the answer, of the requests that count; at least as long as was
    watched for those that got none."""
    return [
        (served.ended if math.isnan(finished) else finished) - intended
        for intended, finished in zip(*_counted(served.intended, served.finished), strict=True)
    ]


def as_sent(served: Served) -> list[float]:
    """Seconds from when a request was sent: what a client sees that waits before it sends the next."""
    return [
        finished - sent
        for sent, finished in zip(*_counted(served.sent, served.finished), strict=True)
        if not math.isnan(finished)
    ]


def keeps(served: Served, slo: float) -> bool:
    """Whether the 99th percentile keeps to a promise in seconds."""
    return p99(latencies(served)) <= slo


def summary(served: Served, slo: float) -> dict[str, float]:
    """A reading of each metric of an open loop: percentiles and goodput of the requests that count, the rest
    over all of them."""
    found = latencies(served)
    (intended,) = _counted(served.intended)
    waits = [
        ((served.ended if math.isnan(started) else started) - arrival)
        for arrival, started in zip(*_counted(served.intended, served.started), strict=True)
    ]
    steps = served.steps
    return {
        **{f"latency_p{percent}": _percentile(found, percent) for percent in (50, 95, 99)},
        "goodput": sum(latency <= slo for latency in found) / (served.ended - intended[0]),
        "queue_share": sum(waits) / sum(found),
        "batch_size": sum(inside for _, inside in steps) / len(steps),
        "busy_share": sum(seconds for seconds, _ in steps) / served.ended,
    }


def distribution(served: Served) -> str:
    """How many steps had how many requests in them, such as ``1:20 2:7``."""
    return " ".join(f"{size}:{count}" for size, count in sorted(Counter(n for _, n in served.steps).items()))


def lateness(served: Served) -> float:
    """By how much the loop woke up late, 99th percentile in seconds: its own part of every latency."""
    return p99(served.late) if served.late else 0.0


def _counted(*lists: list[float]) -> list[list[float]]:
    first = math.floor(WARM * len(lists[0]))
    return [values[first:] for values in lists]


def _percentile(values: list[float], percent: int) -> float:
    return float(np.percentile(values, percent, method="inverted_cdf"))
