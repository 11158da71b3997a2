"""What this process holds of the host's memory and files, by everyone who counts it."""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
from functools import lru_cache

import psutil

OBJECTS = 10_000
"""Objects that are made to see what the record of one takes."""

_PROCESS = psutil.Process()


def exact() -> dict[str, float]:
    """Bytes that allocators have handed out and not got back, to the byte; two microseconds a look.

    ``heap`` is the C library's, which torch's tensors on the host come from, as do objects of Python
    above 512 bytes; ``python`` is all objects of Python that were made since ``tracemalloc`` began, when
    it has. What tracemalloc itself keeps of each is taken off. Where the C library keeps no count (musl),
    there is no ``heap``.
    """
    found = {}
    with contextlib.suppress(AttributeError, RuntimeError, OSError):
        heap = psutil.heap_info()
        found["heap"] = float(heap.heap_used + heap.mmap_used)
        if tracemalloc.is_tracing():
            found["heap"] -= tracemalloc.get_tracemalloc_memory() + _unreported() * sys.getallocatedblocks()
    if tracemalloc.is_tracing():
        found["python"] = float(tracemalloc.get_traced_memory()[0])
    return found


@lru_cache(maxsize=1)
def _unreported() -> float:
    """Bytes that tracemalloc takes for the record of an object beyond those that it says it takes, measured
    once: its records come from the C library, which rounds up."""

    def taken() -> int:
        heap = psutil.heap_info()
        return int(heap.heap_used + heap.mmap_used - tracemalloc.get_tracemalloc_memory())

    kept: list[object] = [None] * OBJECTS
    before = taken()
    for index in range(OBJECTS):
        kept[index] = object()
    return (taken() - before) / OBJECTS


def footprint() -> dict[str, float]:
    """What the operating system counts: ``resident``, the bytes in memory that this process shares with
    no other (USS; all that are in memory, RSS, where that may not be known), and ``files``, how many
    descriptors are open. A millisecond a look."""
    found = {}
    try:
        found["resident"] = float(_PROCESS.memory_full_info().uss)
    except (psutil.Error, AttributeError, OSError):
        found["resident"] = float(_PROCESS.memory_info().rss)
    with contextlib.suppress(psutil.Error, AttributeError):  # Windows has handles instead
        found["files"] = float(_PROCESS.num_fds())
    return found
