"""Which lines made the objects of Python that are still there, by tracemalloc."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

from dsbench.backends.lines import blamed

FRAMES = 25
"""Calls of a stack that are kept of each object, to get out of torch's own modules."""


def object_lines(call: Callable[[], Any], steps: int) -> dict[str, float]:
    """Bytes a step of objects of Python that outlive their step, by the line that made them.

    Args:
        call: one step; what it returns is dropped.
        steps: how many steps to take.
    """
    tracemalloc.start(FRAMES)
    try:
        call()
        gc.collect()
        before = tracemalloc.take_snapshot()
        for _ in range(steps):
            call()
        gc.collect()
        changes = tracemalloc.take_snapshot().compare_to(before, "traceback")
    finally:
        tracemalloc.stop()
    found: Counter[str] = Counter()
    for change in changes:
        if change.count_diff * 2 >= steps:  # what is left once is no leak
            found[blamed((frame.filename, frame.lineno) for frame in reversed(change.traceback))] += (
                change.size_diff
            )
    return {line: size / steps for line, size in found.items()}
