"""The same load in virtual time: an engine that only says how long the real one would have taken.

What a step costs was measured: reading the prompts of those admitted, by their number, plus a step of those
already inside, by theirs. Between the sizes that were measured it is interpolated, and each step draws one
of the readings' quantiles at random, so that what is long now and then is long as often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from dsbench.load.serving import Clock, Engine, Policy, Served, serve

REPEATS = 15
"""Readings of a step's time for each size, at most."""

LEVELS = 101
"""Quantiles that they are brought to."""

Costs = dict[int, list[float]]
"""Quantiles of the seconds of a step by its size, for every size."""


@dataclass
class VirtualClock:
    """Time that passes when it is told to."""

    time: float = 0.0

    def now(self) -> float:
        return self.time

    def wait(self, moment: float) -> None:
        self.time = max(self.time, moment)


@dataclass
class Calibrated:
    """Measured seconds of a step by how many are admitted and by how many were inside before; `inside` is
    empty where every request is done after one step."""

    admitted: Costs
    inside: Costs


@dataclass
class VirtualEngine:
    """Takes the time that the real engine would; its answers are empty."""

    costs: Calibrated
    lifetime: Callable[[int], int]
    clock: VirtualClock
    random: Random
    _left: dict[int, int] = field(default_factory=dict)

    def steps(self, request: int) -> int:
        return self.lifetime(request)

    def alone(self, request: int) -> None:
        """Nothing is computed."""

    def step(self, admitted: Sequence[int]) -> dict[int, None]:
        for costs, size in ((self.costs.inside, len(self._left)), (self.costs.admitted, len(admitted))):
            if size:
                self.clock.time += self.random.choice(costs[size])
        self._left |= {request: self.lifetime(request) for request in admitted}
        self._left = {request: left - 1 for request, left in self._left.items()}
        done = [request for request, left in self._left.items() if not left]
        for request in done:
            del self._left[request]
        return dict.fromkeys(done)


def calibrate(engine: Engine, clock: Clock, largest: int, limit: float) -> Calibrated:
    """Measures an idle engine's steps with 1, 2, 4, ... up to `largest` requests, and leaves it idle.

    Args:
        limit: seconds after which no further reading of each size is taken, if there is one.
    """
    sizes = [*(2**power for power in range((largest - 1).bit_length())), largest]
    admitted: dict[int, list[float]] = {size: [] for size in sizes}
    inside: dict[int, list[float]] = {size: [] for size in sizes}
    began = clock.now()
    for repeat in range(REPEATS + 1):
        if repeat > 1 and clock.now() - began > limit:
            break
        for size in sizes:
            for number, (left, seconds) in enumerate(_run(engine, clock, size)):
                if repeat and not number:  # the first repeat warms up
                    admitted[size].append(seconds)
                elif repeat and left in inside:
                    inside[left].append(seconds)
    return Calibrated(_table(admitted, largest), _table(inside, largest))


def _run(engine: Engine, clock: Clock, size: int) -> Iterator[tuple[int, float]]:
    """How many were inside each step, and its seconds, from their admission until all are done."""
    left, joining = size, list(range(size))
    while left:
        began = clock.now()
        done = engine.step(joining)
        yield left, clock.now() - began
        left, joining = left - len(done), []


def simulate(
    costs: Calibrated, lifetime: Callable[[int], int], policy: Policy, arrivals: Sequence[float], seed: int
) -> Served:
    """Serves an open loop in virtual time; the same seed gives the same outcome."""
    clock = VirtualClock()
    return serve(VirtualEngine(costs, lifetime, clock, Random(seed)), policy, arrivals, clock)


def _table(readings: Mapping[int, Sequence[float]], largest: int) -> Costs:
    """The same quantiles of each size, those between two that were measured on the line between them."""
    sizes = [size for size in readings if readings[size]]
    if not sizes:
        return {}
    levels = np.linspace(0, 1, LEVELS)
    measured = np.array([np.quantile(readings[size], levels) for size in sizes])
    wanted = range(1, largest + 1)
    table = np.transpose([np.interp(wanted, sizes, column) for column in measured.T])
    return dict(zip(wanted, table.tolist(), strict=True))
