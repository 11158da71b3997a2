"""The probe `latency`: seconds a call takes, with its data warm and after the cache was flushed.

Warm-up ends when the readings have settled, sampling when the interval of the median is narrow enough
or at the time limit; the measurement says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from dsbench.backends import Backend, UnsupportedError
from dsbench.probes.prepared import AFTER, Budget, Prepared
from dsbench.records import Measurement, Scalar, Status
from dsbench.stats.intervals import of_median

BLOCK = 5
"""Readings between two looks at whether to stop: few enough to stop soon, enough for a median."""

FEWEST = 3
"""Readings that are taken however long each is; the interval then comes from the rounds."""

MOST = 200
"""Readings of one round: more would only make the files larger, so short calls are looped instead."""


@dataclass
class Sampling:
    """Readings in seconds per call, the calls each averages over, and why it stopped."""

    calls: int
    values: list[float] = field(default_factory=list)
    stop: str = ""
    noise: float | None = None


def measure_latency(prepared: Prepared, budget: Budget) -> Measurement:
    """Hot readings, then cold ones where the device can flush its cache, then the answer once more."""
    backend, call = prepared.backend, prepared.call
    first = backend.time(call, 1)[0]
    if budget.once:
        return _checked(prepared, {"latency": [first]}, Sampling(1, [first], "one call"), {})
    notes: dict[str, Scalar] = {"first_call": float(f"{first:.4g}")}
    seconds = backend.time(call, 1)[0]
    span = max(backend.resolution, budget.min_time / MOST)
    calls = max(1, math.ceil(span / seconds)) if seconds > 0 else 1
    notes["warm_up"] = _settle(backend, call, calls, seconds * calls, budget)
    hot = _sample(backend, call, calls, budget, cold=False)
    readings = {"latency": hot.values}
    if seconds > budget.max_time:
        notes["cold_stop"] = "not taken: one call outlasts the time limit, and a flush changes little of it"
    else:
        try:
            cold = _sample(backend, call, 1, budget, cold=True)
            readings["latency_cold"] = cold.values
            notes["cold_stop"] = cold.stop
        except UnsupportedError as error:
            notes["cold_stop"] = str(error)
    return _checked(prepared, readings, hot, notes)


def _checked(
    prepared: Prepared, readings: dict[str, list[float]], hot: Sampling, notes: dict[str, Scalar]
) -> Measurement:
    answer = prepared.check(AFTER)
    if answer.problem:
        return prepared.failure("latency", Status.WRONG, f"after timing: {answer.problem}")
    unsettled = hot.noise is not None and hot.stop.startswith("time limit")
    return prepared.measurement(
        "latency",
        readings,
        calls=hot.calls,
        status=Status.UNSTABLE if unsettled else Status.OK,
        reason=hot.stop if unsettled else "",
        notes={**notes, "stop": hot.stop},
    )


def _settle(backend: Backend, call: Callable[[], Any], calls: int, seconds: float, budget: Budget) -> str:
    """Takes readings until two blocks in a row agree, and says how that went."""
    if seconds > budget.max_time / BLOCK:
        return "one call: a call is long against the time limit"
    began, taken, earlier = backend.now(), 0, math.inf
    while backend.now() - began < budget.max_time:
        later = median(backend.time(call, BLOCK, calls))
        taken += BLOCK
        if abs(later - earlier) <= budget.max_noise * later:
            return f"settled after {taken} readings"
        earlier = later
    return f"not settled after {taken} readings"


def _sample(backend: Backend, call: Callable[[], Any], calls: int, budget: Budget, cold: bool) -> Sampling:
    sampling = Sampling(calls)
    began = backend.now()
    while True:
        # The first reading tells how long a block would take; a call of seconds comes one by one.
        slow = not sampling.values or sampling.values[-1] * calls > budget.max_time / BLOCK
        sampling.values += backend.time(call, 1 if slow else BLOCK, calls, cold)
        elapsed = backend.now() - began
        estimate = of_median(sampling.values)
        sampling.noise = estimate.half_width
        narrow = sampling.noise is not None and sampling.noise <= budget.max_noise
        if narrow and elapsed >= budget.min_time:
            sampling.stop = f"interval ±{sampling.noise:.2%} within ±{budget.max_noise:.2%}"
            return sampling
        if narrow and len(sampling.values) >= MOST:
            sampling.stop = f"interval ±{sampling.noise:.2%} after {MOST} readings"
            return sampling
        if elapsed >= budget.max_time and len(sampling.values) >= FEWEST:
            width = "no interval yet" if sampling.noise is None else f"interval ±{sampling.noise:.2%}"
            sampling.stop = f"time limit {budget.max_time:g} s: {width}, wanted ±{budget.max_noise:.2%}"
            return sampling
