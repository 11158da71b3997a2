"""Timing by the host's clock, for devices without events that can be relied on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dsbench.backends.torch_backend import TorchBackend


class HostClockBackend(TorchBackend):
    """Reads the host's clock when the device has nothing left to do.

    Args:
        index: which device of the family.
        torch: the torch module, imported now when it is None.
        clock: nanoseconds since any fixed moment.
    """

    def __init__(
        self, index: int = 0, torch: Any = None, clock: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        super().__init__(index, torch)
        self._clock = clock

    @property
    def resolution(self) -> float:
        """A millisecond: the clock ticks far finer, but the reading of it, a wait for the device and an
        interrupt each cost microseconds, which a millisecond makes small."""
        return 1e-3

    def _readings(
        self, call: Callable[[], Any], samples: int, calls: int, before: Callable[[], None], lead: float
    ) -> list[float]:
        del lead  # the host's clock has to see the launch, since it waits for the device itself
        readings = []
        for _ in range(samples):
            before()
            self.synchronize()
            start = self._clock()
            for _ in range(calls):
                call()
            self.synchronize()
            readings.append((self._clock() - start) / 1e9 / calls)
        return readings
