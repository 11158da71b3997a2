"""The probe `utilisation`: how busy calls that follow each other keep the device.

This half runs in the process that measures: it makes the calls for a while and says when. How busy the
device is meanwhile is seen from the parent (`dsbench.watch`), so that looking takes none of the host's time
that launches the calls.
"""

from __future__ import annotations

import math
import time

from dsbench.backends import UnsupportedError
from dsbench.backends.condition import disturbance
from dsbench.backends.profiling import Kernel
from dsbench.probes.prepared import Budget, Prepared
from dsbench.records import Measurement, Sample, Scalar

WINDOW = 0.3
"""Seconds of calls at least: some of the moments, a tenth of a second to a second long, that counters
average over."""

BRIEF = 0.05
"""Seconds when a single call is asked for."""

BLOCK = 0.02
"""Seconds of calls that are queued before the host waits for the device, which then idles for some
microseconds: too few to be seen."""

PROFILED = 3
"""Calls that the profiler looks at, after one that is not counted."""

BEGAN, ENDED = "window_began", "window_ended"
"""Notes that tell the parent which of its looks count, by the clock that both share."""


def measure_utilisation(prepared: Prepared, budget: Budget) -> Measurement:
    """Readings ``call``, the seconds of a call when calls follow each other, launching included, and
    ``kernel_busy``, the share of them in which kernels run, where the profiler sees kernels.

    The kernels' time comes from a pass of its own, because the profiler slows the host down.
    """
    backend, call = prepared.backend, prepared.call
    prepared.first_call()
    kernels = _kernels(prepared, 1 if budget.once else PROFILED)
    call()
    backend.synchronize()
    began = time.monotonic()
    call()
    backend.synchronize()
    calls = max(1, math.ceil(BLOCK / max(time.monotonic() - began, 1e-6)))
    window = BRIEF if budget.once else max(WINDOW, budget.max_time)
    before = backend.condition()
    made, began = 0, time.monotonic()
    while time.monotonic() - began < window:
        for _ in range(calls):
            call()
        made += calls
        backend.synchronize()
    ended = time.monotonic()
    seconds = (ended - began) / made
    cause = disturbance(before, backend.condition(), backend.cores)
    readings: dict[str, list[float | Sample]] = {"call": [Sample(seconds, prepared.round, made, cause)]}
    notes: dict[str, Scalar] = {BEGAN: began, ENDED: ended}
    if kernels:
        readings["kernel_busy"] = [sum(kernel.seconds for kernel in kernels) / seconds]
        notes["launches"] = sum(kernel.launches for kernel in kernels)
    return prepared.measurement("utilisation", readings, notes=notes)


def _kernels(prepared: Prepared, calls: int) -> tuple[Kernel, ...]:
    """The kernels of a call; none where the host computes itself, or the profiler sees its operators only."""
    try:
        prepared.backend.launch(prepared.call, 1)
    except UnsupportedError:
        return ()
    found = prepared.backend.profile(prepared.call, calls)
    return found.kernels if found.kind == "kernels" else ()
