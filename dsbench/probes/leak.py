"""The probe `leak`: does a process hold more after every step?

An allocator's count of what it has handed out is read after every step; of each block of steps only the
smallest reading is kept, taken after cyclic garbage was collected, so that what a step borrows is not seen.
The slope of those minima is held against a budget in looks (`dsbench.stats.growth`).
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from dsbench.backends import Backend
from dsbench.probes.leak_origin import origins
from dsbench.probes.prepared import Budget, Prepared
from dsbench.records import Measurement, Scalar, Status
from dsbench.stats.growth import LOOKS, Growth, Word, judge, worst
from dsbench.stats.intervals import Estimate

WARM_UP = 10
"""Steps before the first reading, in which lazy initialisation is done with; what takes longer falls into
the half of the blocks that each look leaves out."""

STEPS = (4, 32)
"""Steps of a block, at least and at most."""

BLOCKS = 4.0
"""How many times as long as a latency may be sampled all blocks together last, with steps that are short
enough for that."""

PATIENCE = 60.0
"""Seconds after which there is no further look at what grows, and the last one counts. What does not grow is
done with the first."""

FEWEST = 8
"""Blocks that have a slope in each of their quarters."""

COARSE = 1024.0
"""Bytes a step that what is counted in pages or segments may grow at least: what it grows beyond the exact
counters is fragmentation, or memory that no allocator knows of."""

FILES = "files"
OPEN = 0.05
"""The counter of descriptors, and how many a step may stay open: one in twenty steps."""

CONTROL = 0.1
"""Share of a declared leak, beside the budget, by which the slope may miss it: allocators round up, and a
tensor has a record of its own."""

EXACT = ("heap", "python", "device")
"""The counters that are right to the byte; they overlap, so the largest slope counts, not the sum."""


@dataclass(frozen=True)
class Watched:
    """What was seen of each counter, and how many steps of how many blocks it took."""

    growth: Mapping[str, Growth]
    steps: int
    blocks: int

    @property
    def slope(self) -> Estimate:
        """The largest slope of an exact counter, in bytes a step; of a coarse one where that alone leaks."""
        exact = [growth for name, growth in self.growth.items() if name in EXACT]
        coarse = [growth for name, growth in self.growth.items() if name not in (*EXACT, FILES)]
        alone = [] if worst(exact) is Word.LEAK else [g for g in coarse if g.word is Word.LEAK]
        return max((growth.slope for growth in (*exact, *alone)), key=lambda slope: slope.value)


def measure_leak(prepared: Prepared, budget: Budget) -> Measurement:
    """Readings ``leak_slope`` with its interval's ends ``leak_low`` and ``leak_high``, in bytes a step, and
    ``leak_files`` in descriptors a step; a note ``verdict`` (leak, clean or unknown) and, for a leak, notes
    ``leak_at_1`` and so on that name the lines. An unknown verdict is `unstable`; a candidate that declares
    a leak which is not found is `wrong`, since then this probe cannot be trusted with any other."""
    backend, call = prepared.backend, prepared.call
    benchmark = prepared.workload.benchmark
    declared = benchmark.candidates[prepared.case.candidate].leaks
    allowed = benchmark.leak_budget
    # What judges is loaded by now, so that nobody traces its loading, which takes long, or sees its memory.
    import_module("scipy.stats")
    with tracing():
        watched = watch(backend, call, budget, allowed)
    verdict, slope = worst(list(watched.growth.values())), watched.slope
    assert slope.low is not None  # a slope always has both ends
    assert slope.high is not None
    notes: dict[str, Scalar] = {
        "verdict": verdict.value,
        "budget": allowed,
        **({"declared": declared} if declared else {}),
        "steps": watched.steps * watched.blocks,
        **{f"slope_{name}": float(f"{growth.slope.value:.6g}") for name, growth in watched.growth.items()},
    }
    if declared and not budget.once and abs(slope.value - declared) > allowed + CONTROL * declared:
        reason = f"a leak of {declared:g} B a step is declared, {slope.value:.4g} B a step were found"
        return prepared.failure("leak", Status.WRONG, reason)
    if verdict is Word.LEAK and not declared:
        found = origins(backend, call, slope.value)
        notes |= {f"leak_at_{place}": str(origin) for place, origin in enumerate(found, start=1)}
    unsettled = [f"{name}: {growth.why}" for name, growth in watched.growth.items() if growth.why]
    unknown = verdict is Word.UNKNOWN and not budget.once
    files = watched.growth.get(FILES)
    return prepared.measurement(
        "leak",
        {
            "leak_slope": [slope.value],
            "leak_low": [slope.low],
            "leak_high": [slope.high],
            **({"leak_files": [files.slope.value]} if files else {}),
        },
        status=Status.UNSTABLE if unknown else Status.OK,
        reason="; ".join(unsettled) if unknown else "",
        notes=notes,
    )


@contextmanager
def tracing(frames: int = 1) -> Iterator[None]:
    """Has the objects of Python counted; freezes those that are there meanwhile, so that collecting garbage
    looks through the new ones alone."""
    gc.collect()
    gc.freeze()
    tracemalloc.start(frames)
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def watch(backend: Backend, call: Callable[[], Any], budget: Budget, allowed: float) -> Watched:
    """Steps in blocks until a look gives a verdict, or the time is over.

    Args:
        backend: whose counters are read.
        call: one step; what it returns is dropped.
        budget: how long it may take; `once` takes eight blocks of one step.
        allowed: growth in bytes a step that is no leak.
    """
    backend.release()  # free pages that allocators keep would be used up unseen
    for _ in range(1 if budget.once else WARM_UP):
        began = backend.now()
        call()
        backend.synchronize()
    seconds = max(backend.now() - began, 1e-9)
    fewest, most = STEPS
    steps = 1 if budget.once else min(most, max(fewest, int(BLOCKS * budget.max_time / LOOKS[-1] / seconds)))
    looks = (FEWEST,) if budget.once else LOOKS
    minima = Minima(backend, looks[-1])
    began = backend.now()
    for look in looks:
        while len(minima) < look:
            minima.block(call, steps)
        growth = {
            name: judge(values, steps, _limit(name, allowed)) for name, values in minima.values().items()
        }
        if worst(list(growth.values())) is Word.CLEAN or backend.now() - began > PATIENCE:
            break
    return Watched(growth, steps, len(minima))


def _limit(name: str, allowed: float) -> float:
    """What a counter may grow a step."""
    if name == FILES:
        return OPEN
    return allowed if name in EXACT else max(allowed, COARSE)


class Minima:
    """The smallest reading of each counter in each block, in an array made beforehand, because what the
    probe itself keeps would be seen."""

    def __init__(self, backend: Backend, blocks: int) -> None:
        self._backend = backend
        self._names = (*backend.held(), *backend.footprint())
        self._kept = np.full((len(self._names), blocks), np.inf)
        self._done = 0

    def __len__(self) -> int:
        return self._done

    def block(self, call: Callable[[], Any], steps: int) -> None:
        """Takes a block of steps."""
        column = self._kept[:, self._done]
        for _ in range(steps):
            call()
            self._keep(column, self._backend.held())
        self._backend.synchronize()
        gc.collect()
        self._keep(column, {**self._backend.held(), **self._backend.footprint()})
        self._done += 1

    def _keep(self, column: Any, found: Mapping[str, float]) -> None:
        for index, name in enumerate(self._names):
            if name in found and found[name] < column[index]:
                column[index] = found[name]

    def values(self) -> dict[str, list[float]]:
        """The minima so far by counter, blocks in order."""
        return {name: self._kept[index, : self._done].tolist() for index, name in enumerate(self._names)}
