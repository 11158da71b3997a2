"""The same load in virtual time: an engine that only says how long the real one would have taken.

What a step costs was measured: reading the prompts of those admitted, by their number, plus a step of those
already inside, by theirs, plus what the first step after a pause takes longer, by how long the pause was.
Between the sizes and pauses that were measured it is interpolated, and each step draws one of the readings'
quantiles at random, so that what is long now and then is long as often.

A model that waits loses its caches: a step after a pause of 30 ms was seen to take twice as long as one in a
loop, and without that virtual time promised medians that were a fifth too short at low rates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from dsbench.load.serving import Clock, Engine, Policy, Served, serve

REPEATS = 15
"""Readings of a step's time for each size, at most."""

WARM_UP = 3
"""Runs of a size before its readings: the first after another size find other caches."""

PAUSES = (0.001, 0.004, 0.016, 0.032, 0.064)
"""Seconds of idleness before the steps that show what it costs; longer ones were seen to cost no more."""

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
    empty where every request is done after one step. `after` holds, by the level of the
    quantiles, what the first step after each of `PAUSES` takes longer."""

    admitted: Costs
    inside: Costs
    after: list[list[float]]

    def slower(self, pause: float, level: int) -> float:
        """Seconds that a step takes longer after a pause of so many, at a level of the quantiles."""
        return float(np.interp(pause, (0.0, *PAUSES), (0.0, *self.after[level])))


@dataclass
class VirtualEngine:
    """Takes the time that the real engine would; its answers are empty."""

    costs: Calibrated
    lifetime: Callable[[int], int]
    clock: VirtualClock
    random: Random
    _left: dict[int, int] = field(default_factory=dict)
    _ended: float = 0.0

    def steps(self, request: int) -> int:
        return self.lifetime(request)

    def alone(self, request: int) -> None:
        """Nothing is computed."""

    def step(self, admitted: Sequence[int]) -> dict[int, None]:
        pause = self.clock.time - self._ended
        for costs, size in ((self.costs.inside, len(self._left)), (self.costs.admitted, len(admitted))):
            if size:
                level = self.random.randrange(LEVELS)
                seconds = costs[size][level] + (self.costs.slower(pause, level) if pause else 0.0)
                self.clock.time += max(0.0, seconds)
        self._ended = self.clock.time
        self._left |= {request: self.lifetime(request) for request in admitted}
        self._left = {request: left - 1 for request, left in self._left.items()}
        done = [request for request, left in self._left.items() if not left]
        for request in done:
            del self._left[request]
        return dict.fromkeys(done)


def calibrate(engine: Engine, clock: Clock, largest: int, limit: float) -> Calibrated:
    """Measures an idle engine's steps with 1, 2, 4, ... up to `largest` requests, those of a size in a row,
    as warm as load keeps them; then steps of one request after pauses. Leaves it idle.

    Args:
        limit: seconds after which no further reading of a size, or after pauses, is taken if there are two.
    """
    sizes = [*(2**power for power in range((largest - 1).bit_length())), largest]
    admitted: dict[int, list[float]] = {size: [] for size in sizes}
    inside: dict[int, list[float]] = {size: [] for size in sizes}
    paused: dict[float, list[float]] = {pause: [] for pause in PAUSES}
    for size in sizes:
        for _ in range(WARM_UP):
            _run(engine, clock, size)
        for _ in _repeats(clock, limit / len(sizes)):
            (_, seconds), *more = _run(engine, clock, size)
            admitted[size].append(seconds)
            for left, seconds in more:
                if left in inside:
                    inside[left].append(seconds)
    for _ in _repeats(clock, limit):
        for pause in PAUSES:
            _run(engine, clock, 1)
            clock.wait(clock.now() + pause)
            paused[pause].append(_run(engine, clock, 1)[0][1])
    costs = _table(admitted, largest)
    after = np.transpose([_quantiles(paused[pause]) - costs[1] for pause in PAUSES])
    return Calibrated(costs, _table(inside, largest), after.tolist())


def _repeats(clock: Clock, limit: float) -> Iterator[None]:
    """Twice at least, `REPEATS` times at most, and no more once the limit has passed."""
    began = clock.now()
    for repeat in range(REPEATS):
        if repeat < 2 or clock.now() - began <= limit:
            yield


def _run(engine: Engine, clock: Clock, size: int) -> list[tuple[int, float]]:
    """How many were inside each step, and its seconds, from their admission until all are done."""
    left, joining, taken = size, list(range(size)), []
    while left:
        began = clock.now()
        done = engine.step(joining)
        taken.append((left, clock.now() - began))
        left, joining = left - len(done), []
    return taken


def simulate(
    costs: Calibrated, lifetime: Callable[[int], int], policy: Policy, arrivals: Sequence[float], seed: int
) -> Served:
    """Serves an open loop in virtual time; the same seed gives the same outcome."""
    clock = VirtualClock()
    return serve(VirtualEngine(costs, lifetime, clock, Random(seed)), policy, arrivals, clock)


def _quantiles(readings: Sequence[float]) -> NDArray[np.float64]:
    return np.quantile(readings, np.linspace(0, 1, LEVELS))


def _table(readings: Mapping[int, Sequence[float]], largest: int) -> Costs:
    """The same quantiles of each size, those between two that were measured on the line between them."""
    sizes = [size for size in readings if readings[size]]
    if not sizes:
        return {}
    measured = np.array([_quantiles(readings[size]) for size in sizes])
    wanted = range(1, largest + 1)
    table = np.transpose([np.interp(wanted, sizes, column) for column in measured.T])
    return dict(zip(wanted, table.tolist(), strict=True))
