"""A simulated device with a clock and a memory of its own, to test what measures without measuring.

A candidate for it says what it costs: ``spend`` for its time, ``hold`` and ``free`` for its memory.
Values are numbers, NumPy arrays, and mappings and sequences of them.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsbench.backends import nested
from dsbench.backends.base import Availability, Backend, UnsupportedError
from dsbench.records import Device

MEMORY = 2**30
"""Bytes of memory that the device has."""

COLD_PENALTY = 1e-4
"""Seconds that a reading with a flushed cache takes longer."""

TICKS = 10**12
"""Ticks of the clock a second; whole numbers, so that readings add up without rounding."""


@dataclass
class _State:
    """Ticks that have passed, bytes that are held, and the most that ever were since it was reset."""

    ticks: int = 0
    held: int = 0
    peak: int = 0


_STATE = _State()


def spend(seconds: float) -> None:
    """Lets time pass on the device.

    Raises:
        ValueError: the time is negative.
    """
    if seconds < 0:
        raise ValueError(f"cannot spend {seconds} s")
    _STATE.ticks += round(seconds * TICKS)


def hold(size: int) -> None:
    """Takes bytes of the device's memory.

    Raises:
        MemoryError: fewer are left.
    """
    if size > MEMORY - _STATE.held:
        raise MemoryError(f"fake device: {size} bytes asked for, {MEMORY - _STATE.held} left")
    _STATE.held += size
    _STATE.peak = max(_STATE.peak, _STATE.held)


def free(size: int) -> None:
    """Gives bytes of the device's memory back.

    Raises:
        ValueError: fewer are held.
    """
    if size > _STATE.held:
        raise ValueError(f"fake device: {size} bytes given back, {_STATE.held} held")
    _STATE.held -= size


class FakeBackend(Backend):
    """The simulated device; every instance in a process is the same one."""

    name = "fake"

    @classmethod
    def availability(cls) -> Availability:
        return Availability(cls.name, ("fake device",))

    @property
    def device(self) -> str:
        return "fake"

    def describe(self) -> Device:
        return Device(
            self.name, "fake device", self.index, driver="fake 1.0", memory=MEMORY, versions={"fake": "1.0"}
        )

    def prepare(self, seed: int) -> None:
        """Seeds Python and NumPy."""
        random.seed(seed)
        np.random.seed(seed % 2**32)

    def synchronize(self) -> None:
        """Does nothing: time passes while a candidate spends it."""

    def now(self) -> float:
        return _STATE.ticks / TICKS

    def time(self, call: Callable[[], Any], samples: int, calls: int = 1, cold: bool = False) -> list[float]:
        if cold and calls > 1:
            raise UnsupportedError(f"a cold reading is of one call, not {calls}: a second finds a warm cache")
        readings = []
        for _ in range(samples):
            start = _STATE.ticks
            if cold:
                spend(COLD_PENALTY)
            for _ in range(calls):
                call()
            if _STATE.ticks == start:
                raise ValueError("the call took no time: let it call dsbench.backends.fake.spend(seconds)")
            readings.append((_STATE.ticks - start) / TICKS / calls)
        return readings

    @property
    def resolution(self) -> float:
        """Zero: the clock sees whatever is spent."""
        return 0.0

    def peak_memory(self, call: Callable[[], Any]) -> int:
        before = _STATE.peak = _STATE.held
        call()
        return _STATE.peak - before

    def free_memory(self) -> int:
        return MEMORY - _STATE.held

    def release(self) -> None:
        """Does nothing: the device caches no memory, and what a candidate holds it has to free."""

    def copy(self, value: Any) -> Any:
        return copy.deepcopy(value)

    def identical(self, left: Any, right: Any) -> bool:
        return nested.identical(left, right, nested.same_plain)

    def relative_error(self, actual: Any, expected: Any) -> float:
        return nested.relative_error(actual, expected, np, _doubles)


def _doubles(actual: Any, expected: Any) -> tuple[Any, Any]:
    left, right = np.asarray(actual), np.asarray(expected)
    dtype = np.result_type(left, right, np.float64)
    return left.astype(dtype), right.astype(dtype)
