"""Which lines a leak comes from: steps are taken once more under everything that can name one."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dsbench.backends import Backend

STEPS = 16
"""Steps that are taken again: enough to tell what stays from what a step replaces."""

SHARE = 0.05
"""Share of the leak that a line has to keep to be named. A kept graph consists mostly of nodes, which memray
alone sees; its tensors are 6 % of it in the tests."""

NAMED = 3
"""Lines that are named, the largest first."""


@dataclass(frozen=True)
class Origin:
    """A line that keeps so many bytes a step, and who says so."""

    line: str
    size: float
    seen: str

    def __str__(self) -> str:
        return f"{self.line}: {self.size:,.0f} B a step ({self.seen})"


def origins(backend: Backend, call: Callable[[], Any], leak: float) -> tuple[Origin, ...]:
    """The lines that keep most. A line that several name is named once, by the first, with the most that
    any of them saw: each sees another part of what a line takes.

    Args:
        backend: whose tensors are looked for.
        call: one step; what it returns is dropped.
        leak: bytes a step that are looked for.
    """
    found: dict[str, Origin] = {}
    for seen, look in backend.allocations().items():
        for line, size in look(call, STEPS).items():
            known = found.get(line)
            found[line] = (
                Origin(line, max(size, known.size), known.seen) if known else Origin(line, size, seen)
            )
        gc.collect()
    kept = [origin for origin in found.values() if origin.size >= SHARE * leak]
    return tuple(sorted(kept, key=lambda origin: -origin.size)[:NAMED])
