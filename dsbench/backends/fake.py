"""A simulated device with a clock and a memory of its own, to test what measures without measuring.

A candidate for it says what it costs: ``spend`` for its time, ``hold`` and ``free`` for its memory.
Values are numbers, NumPy arrays, and mappings and sequences of them.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dsbench.backends import nested
from dsbench.backends.activity import Activity
from dsbench.backends.base import Allocations, Availability, Backend, UnsupportedError
from dsbench.backends.condition import Condition
from dsbench.backends.profiling import Kernel, Profile
from dsbench.records import Device

MEMORY = 2**30
"""Bytes of memory that the device has."""

POWER = 100.0
"""Watts that the device draws at all times."""

BUSY = 0.5
"""Share of the time in which it says that it works."""

COLD_PENALTY = 1e-4
"""Seconds that a reading with a flushed cache takes longer."""

RATES = {"float32": 1e12, "bfloat16": 4e12}
"""FLOP/s of its matrix products, by precision."""

BANDWIDTH = 1e11
"""Bytes a second that it copies."""

TICKS = 10**12
"""Ticks of the clock a second; whole numbers, so that readings add up without rounding."""


@dataclass
class _State:
    """Ticks that have passed and how often some were spent, bytes that are held, and the most that ever
    were since it was reset, and who else is on the device."""

    ticks: int = 0
    launches: int = 0
    held: int = 0
    peak: int = 0
    foreign: tuple[str, ...] = ()


_STATE = _State()


def spend(seconds: float) -> None:
    """Lets time pass on the device.

    Raises:
        ValueError: the time is negative.
    """
    if seconds < 0:
        raise ValueError(f"cannot spend {seconds} s")
    _STATE.ticks += round(seconds * TICKS)
    _STATE.launches += 1


def jump(seconds: float) -> None:
    """Sets the device's clock forward, or back by a negative number, without anything being done."""
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


def disturb(*processes: str) -> None:
    """Puts other processes on the device, in place of those that were there."""
    _STATE.foreign = processes


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

    def wait(self, moment: float) -> None:
        _STATE.ticks = max(_STATE.ticks, round(moment * TICKS))

    def time(
        self, call: Callable[[], Any], samples: int, calls: int = 1, cold: bool = False, lead: float = 0.0
    ) -> list[float]:
        del lead
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

    def profile(self, call: Callable[[], Any], calls: int, trace: Path | None = None) -> Profile:
        """One kernel, whose launches are the calls of `spend`."""
        call()
        start, launches = _STATE.ticks, _STATE.launches
        for _ in range(calls):
            call()
        seconds = (_STATE.ticks - start) / TICKS
        if trace is not None:
            span = {"name": "spend", "ph": "X", "pid": 0, "tid": 0, "ts": 0, "dur": seconds * 1e6}
            with gzip.open(trace, "wt", encoding="utf-8") as file:
                json.dump({"traceEvents": [span]}, file)
        kernel = Kernel("spend", seconds / calls, (_STATE.launches - launches) / calls)
        return Profile("kernels", (kernel,))

    def identity(self) -> dict[str, Any]:
        return {"device_busy": BUSY}

    @classmethod
    def activity(cls, pid: int, identity: Mapping[str, Any]) -> tuple[Activity | None, str]:
        """The same at every look: what the device said it was."""
        del pid
        return lambda: {name: float(share) for name, share in identity.items()}, ""

    def energy(self) -> float:
        return POWER * self.now()

    def condition(self) -> Condition:
        return Condition(self.now(), foreign=_STATE.foreign)

    @property
    def resolution(self) -> float:
        """Zero: the clock sees whatever is spent."""
        return 0.0

    def peak_memory(self, call: Callable[[], Any]) -> int:
        before = _STATE.peak = _STATE.held
        call()
        return _STATE.peak - before

    def held(self) -> dict[str, float]:
        return {"device": float(_STATE.held)}

    def footprint(self) -> dict[str, float]:
        return {}

    def allocations(self) -> dict[str, Allocations]:
        """Nothing: what holds its memory has no line."""
        return {}

    def free_memory(self) -> int:
        return MEMORY - _STATE.held

    def release(self) -> None:
        """Does nothing: the device caches no memory, and what a candidate holds it has to free."""

    def product(self, precision: str, size: int) -> Callable[[], Any]:
        if precision not in RATES:
            raise UnsupportedError(f"the fake device has no {precision}")
        return lambda: spend(2.0 * size**3 / RATES[precision])

    def copying(self) -> tuple[Callable[[], Any], int]:
        return lambda: spend(MEMORY / BANDWIDTH), MEMORY

    def copy(self, value: Any) -> Any:
        return copy.deepcopy(value)

    def identical(self, left: Any, right: Any) -> bool:
        return nested.identical(left, right, nested.same_plain)

    def buffers(self, value: Any) -> set[tuple[str, int]]:
        arrays = (leaf for _, leaf in nested.leaves(value) if isinstance(leaf, np.ndarray) and leaf.size)
        return {(self.device, nested.address(array)) for array in arrays}

    def relative_error(self, actual: Any, expected: Any) -> float:
        return nested.relative_error(actual, expected, np, _doubles)


def _doubles(actual: Any, expected: Any) -> tuple[Any, Any]:
    left, right = np.asarray(actual), np.asarray(expected)
    dtype = np.result_type(left, right, np.float64)
    return left.astype(dtype), right.astype(dtype)
