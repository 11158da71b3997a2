"""What the operating system says of how undisturbed this process is."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from functools import lru_cache
from pathlib import Path

import psutil

from dsbench.backends.condition import Condition

SLOW = 1.0
"""Seconds for which a reading that takes long to get is kept."""


def host_condition(process: Path = Path("/proc/self")) -> Condition:
    """Looks at the host; what takes milliseconds to find out is at most a second old."""
    now = time.monotonic()
    return Condition(
        time=now,
        waited=waited(process),
        switches=resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        stolen=getattr(psutil.cpu_times(), "steal", None),
        load=os.getloadavg()[0],
        frequency=_frequency(int(now / SLOW)),
    )


def waited(process: Path) -> float | None:
    """Seconds that the threads of a process have waited for a core while they could have run, None where
    the kernel does not say.

    Source: the kernel's Documentation/scheduler/sched-stats.rst, ``/proc/<pid>/schedstat``.
    """
    total, known = 0, False
    with contextlib.suppress(OSError):
        for thread in os.listdir(process / "task"):
            # Unbuffered, which halves what a look costs: there may be a thread a core.
            with (
                contextlib.suppress(OSError, ValueError, IndexError),  # a thread may just have ended
                open(f"{process}/task/{thread}/schedstat", "rb", buffering=0) as file,
            ):
                total += int(file.read().split()[1])
                known = True
    return total / 1e9 if known else None


@lru_cache(maxsize=1)
def _frequency(second: int) -> float | None:
    del second  # a new reading each second
    with contextlib.suppress(OSError, NotImplementedError):
        found = psutil.cpu_freq()
        return float(found.current) if found else None
    return None
