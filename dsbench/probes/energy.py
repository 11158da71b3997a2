"""The probe `energy`: joules of a call, from the device's own counter over many calls back to back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dsbench.backends import Backend, UnsupportedError
from dsbench.backends.condition import disturbance
from dsbench.probes.prepared import Budget, Prepared
from dsbench.records import Measurement, Sample

WINDOW = 0.5
"""Seconds of calls at least: five steps of a counter that is refreshed ten times a second, the slowest
that is known."""

BLOCK = 0.02
"""Seconds of calls between two looks at the counter: long against a look, which takes milliseconds on
some devices, and short against a step of the counter."""

SHORTEST = 1e-6
"""Seconds that a call takes at least: the host launches none faster."""

PATIENCE = 0.3
"""Seconds to wait for the counter's next step: three of the slowest."""


@dataclass
class _Look:
    """The counter in joules, right after it was refreshed, the time and the calls made until then."""

    joules: float
    time: float
    calls: int


def measure_energy(prepared: Prepared, budget: Budget) -> Measurement:
    """One reading in joules per call, of calls that keep the device busy all the time.

    The window begins and ends with a step of the counter, so that what it has not yet counted at one end
    is what it has not yet counted at the other. The device's idle power is part of the reading: it is
    consumed while the call runs, and a call that takes longer pays more of it.

    Raises:
        UnsupportedError: the device has no counter, or it stood still.
    """
    backend, call = prepared.backend, prepared.call
    backend.energy()  # says that there is none before any work is done
    before = backend.condition()
    prepared.first_call()
    looks = _Looks(backend, call, math.ceil(BLOCK / max(_seconds(backend, call), SHORTEST)))
    first = looks.after(0.0)
    last = looks.after(0.0 if budget.once else max(WINDOW, budget.max_time))
    seconds, calls, joules = last.time - first.time, last.calls - first.calls, last.joules - first.joules
    if joules <= 0:
        raise UnsupportedError(f"the energy counter moved by {joules:.3g} J in {seconds:.2g} s")
    cause = disturbance(before, backend.condition(), backend.cores)
    return prepared.measurement(
        "energy",
        {"energy": [Sample(joules / calls, prepared.round, calls, cause)]},
        notes={"window_s": round(seconds, 3), "calls": calls, "mean_power_w": round(joules / seconds, 1)},
    )


def _seconds(backend: Backend, call: Callable[[], Any]) -> float:
    """About how long a call takes; one that was slowed down would make blocks so short that the device
    waited for the looks."""
    seconds = backend.time(call, 1)[0]
    return seconds if seconds > BLOCK else min(seconds, *backend.time(call, 10))


class _Looks:
    """Keeps the device busy with blocks of calls, and looks at the counter during some."""

    def __init__(self, backend: Backend, call: Callable[[], Any], calls: int) -> None:
        self._backend, self._call, self._calls = backend, call, calls
        self._made = 0

    def after(self, seconds: float) -> _Look:
        """The first look after so many seconds that sees the counter refreshed."""
        began = self._backend.now()
        while self._backend.now() - began < seconds:
            self._queue()
            self._backend.synchronize()
        look = self._block()
        stale, began = look.joules, look.time
        while look.joules == stale and look.time - began < PATIENCE:
            look = self._block()
        return look

    def _queue(self) -> None:
        for _ in range(self._calls):
            self._call()
        self._made += self._calls

    def _block(self) -> _Look:
        self._queue()
        joules = self._backend.energy()  # while the device still works, so that it does not idle
        self._backend.synchronize()
        return _Look(joules, self._backend.now(), self._made)
