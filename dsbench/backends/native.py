"""Which line called code that allocated memory and kept it, by memray where it is installed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from dsbench.backends.lines import blamed


def native_lines(call: Callable[[], Any], steps: int) -> dict[str, float]:
    """Bytes a step that any allocator of the process handed out and did not get back, by the line of
    Python that was being carried out; nothing where memray is not installed.

    What is left after so many steps is taken off what is left after twice as many, so that what every
    step replaces cancels out. Calls of the C library by its own address (``ctypes.CDLL(None).malloc``)
    pass memray by.

    Args:
        call: one step; what it returns is dropped.
        steps: how many steps to take the first time.
    """
    try:
        memray = import_module("memray")
    except ImportError:
        return {}
    fewer, found = (_left(memray, call, count) for count in (steps, 2 * steps))
    found.subtract(fewer)
    return {line: size / steps for line, size in found.items() if size > 0}


def _left(memray: Any, call: Callable[[], Any], steps: int) -> Counter[str]:
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "steps.bin"
        with memray.Tracker(file):
            for _ in range(steps):
                call()
        for record in memray.FileReader(file).get_leaked_allocation_records():
            found[blamed((name, line) for _, name, line in record.stack_trace())] += record.size
    return found
