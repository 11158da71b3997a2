"""The host's processor as a device."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

import psutil

from dsbench.backends import host
from dsbench.backends.base import Availability
from dsbench.backends.host_clock import HostClockBackend
from dsbench.backends.rapl import Rapl
from dsbench.backends.torch_backend import MIB, find_devices
from dsbench.records import Device

LINE = 64
"""Bytes of a line of the cache: no processor that torch runs on has smaller ones at its last level."""


class CpuBackend(HostClockBackend):
    """The cores this process may run on, one thread each unless ``OMP_NUM_THREADS`` says otherwise."""

    name = "cpu"
    on_host = True

    @classmethod
    def availability(cls, torch: Any = None) -> Availability:
        return find_devices(cls.name, torch, lambda _: [host.processor_name()])

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def threads(self) -> int:
        """How many threads an operator uses."""
        return host.thread_count(os.environ)

    @property
    def cores(self) -> int:
        return self.threads

    @cached_property
    def _rapl(self) -> Rapl:
        return Rapl()

    def energy(self) -> float:
        """What all processor packages consume, which other programs and idle cores have their share in."""
        return self._rapl.joules()

    def describe(self) -> Device:
        return Device(
            self.name,
            host.processor_name(),
            memory=psutil.virtual_memory().total,
            cache=host.last_level_cache(),
            versions={
                "torch": str(self.torch.__version__),
                "threads": str(self.threads),
                "blas": self._blas(),
            },
        )

    def _blas(self) -> str:
        found = re.search(r"BLAS_INFO=(\w+)", self.torch.__config__.show())
        name = found[1] if found else "unknown"
        return "openblas" if name == "open" else name

    def prepare(self, seed: int) -> None:
        """Seeds every generator and pins the number of threads."""
        super().prepare(seed)
        self.torch.set_num_threads(self.threads)

    def synchronize(self) -> None:
        """Does nothing: an operator on the CPU has finished when it returns."""

    @property
    def flush_bytes(self) -> int:
        """Twice the last-level cache, and at least 64 MiB, for systems that do not say how large it is
        or, like macOS, leave out the one that processor and graphics share."""
        return max(2 * (host.last_level_cache() or 0), 64 * MIB)

    def _read(self, array: Any) -> None:
        """Reads one number of each line, which brings the whole line in: what comes next is as cold as after
        adding all of them up, for a sixth less of the processor's time."""
        array[:: LINE // array.itemsize].sum()

    def peak_memory(self, call: Callable[[], Any]) -> int:
        """The growth of the resident set, which counts whole pages and everything the process does."""
        return host.peak_resident(call)

    def free_memory(self) -> int:
        return host.available_memory()

    def release(self) -> None:
        """Keeps what the flush reads: pages made anew for every case would cost as much as its readings."""
        kept = self._flushed
        super().release()
        self._flushed = kept
        host.trim()
