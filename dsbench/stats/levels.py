"""A series as levels with noise around them; each is known once the other is, so they are found in turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from dsbench.stats.shifts import Grid, Numbers, Places

PENALTY = 2.5
"""Nats that a change must gain, in units of the logarithm of the series' length: chosen on series for tuning
so that about one place in 10,000 is taken for a change wrongly (docs/history.md)."""

SHORTEST = 3
"""Points of the shortest piece: two odd ones are no new level."""

TURNS = 2
"""Times that noise and changes are found from each other; more move nothing."""


def logarithms(values: Sequence[float]) -> Numbers:
    """Natural logarithms, zero and below as half the smallest positive value (as 1 where there is none)."""
    numbers = np.asarray(values, dtype=np.float64)
    positive = numbers[numbers > 0]
    least = float(positive.min()) / 2 if len(positive) else 1.0
    return np.asarray(np.log(np.where(numbers > 0, numbers, least)), dtype=np.float64)


@dataclass(frozen=True)
class Model:
    """A series' noise and the places of its changes; `memory` divides every gain."""

    grid: Grid
    density: Numbers
    memory: float
    places: list[int]

    @classmethod
    def fitted(cls, logs: Numbers, spread: float, proposed: list[int], newest: int = 0) -> Model:
        """Finds noise and changes of a series.

        Args:
            logs: logarithms of the values, oldest first.
            spread: the noise's standard deviation, as neighbours show it.
            proposed: the places among which changes are sought, in order.
            newest: so many points at the end have no part in it, though the grid holds them.
        """
        whole = Grid.of(logs, spread)
        known = logs[: len(logs) - newest]
        grid = replace(whole, points=whole.points[: len(known)])
        places = _plain(known, proposed, spread)
        edges = [0, *places, len(known)]
        middles = [round(float(np.median(grid.points[a:b]))) for a, b in pairwise(edges)]
        residuals = grid.residuals(edges, np.asarray(middles))
        for _ in range(TURNS):
            density = grid.density(residuals)
            model = cls(grid, density, grid.memory(residuals, density), [])
            chosen = model._chosen(proposed)
            places = model._moved(chosen)
            if places != chosen:
                places = model._moved(places)
            residuals = grid.residuals([0, *places, len(known)], model.levels(places))
        return replace(model, grid=whole, places=places)

    def levels(self, places: list[int]) -> Places:
        """The level of each piece between changes, as an index of the grid."""
        edges = [0, *places, len(self.grid.points)]
        return np.asarray(np.argmax(self.pieces(edges), axis=1), dtype=np.int64)

    def pieces(self, edges: list[int]) -> Numbers:
        """Log likelihood of each piece between edges at each level of the grid."""
        return self.grid.pieces(edges, self._table)

    @cached_property
    def _table(self) -> Numbers:
        return self.grid.table(self.density)

    def at(self, first: int, last: int, level: int) -> Numbers:
        """Log likelihood of each of the points from first to before last at a level."""
        found = self.grid.points[first:last] - level
        return self.density[np.clip(found, -self.grid.reach, self.grid.reach) + self.grid.reach]

    def _chosen(self, proposed: list[int]) -> list[int]:
        """The best of all choices among the proposed places, each costing the penalty: exact, by dynamic
        programming (Jackson et al., IEEE Signal Processing Letters 12, 2005)."""
        edges = np.asarray([0, *proposed, len(self.grid.points)])
        pieces = self.pieces(edges.tolist())
        sums = np.vstack([np.zeros(pieces.shape[1]), np.cumsum(pieces, axis=0)])
        cost = PENALTY * self.memory * math.log(len(self.grid.points))
        best, came_from = np.full(len(edges), -np.inf), np.zeros(len(edges), dtype=int)
        best[0] = cost
        for end in range(1, len(edges)):
            gains = (sums[end] - sums[:end]).max(axis=1) + best[:end] - cost
            gains[edges[end] - edges[:end] < SHORTEST] = -np.inf
            came_from[end] = int(np.argmax(gains))
            best[end] = gains[came_from[end]]
        found, end = [], int(came_from[-1])
        while end:
            found.append(int(edges[end]))
            end = int(came_from[end])
        return found[::-1]

    def _moved(self, places: list[int]) -> list[int]:
        """Each change put where the levels on its two sides fit best."""
        levels, moved = self.levels(places), list(places)
        for number in range(len(places)):
            start = moved[number - 1] if number else 0
            end = places[number + 1] if number + 1 < len(places) else len(self.grid.points)
            first, gains = self.fit(start, end, int(levels[number]), int(levels[number + 1]))
            if len(gains):
                moved[number] = first + int(np.argmax(gains))
        return moved

    def fit(self, start: int, end: int, before: int, after: int) -> tuple[int, Numbers]:
        """How well a change from one level to another fits at each place between start and end, up to a
        constant: the first place and the log likelihoods."""
        gains = np.cumsum(self.at(start, end, before) - self.at(start, end, after))
        return start + SHORTEST, gains[SHORTEST - 1 : len(gains) - SHORTEST]


def _plain(logs: Numbers, proposed: list[int], spread: float) -> list[int]:
    """A first, cautious choice: pieces are joined until all medians of neighbours differ clearly. Short
    pieces count for less, since a machine's second state makes many of them."""
    places = list(proposed)
    while places:
        parts = [logs[a:b] for a, b in pairwise([0, *places, len(logs)])]
        clear = [
            abs(float(np.median(a) - np.median(b))) / math.sqrt(1 / len(a) + 1 / len(b)) / spread
            * (1.0 if min(len(a), len(b)) >= 10 else min(len(a), len(b)) / 50)
            for a, b in pairwise(parts)
        ]  # fmt: skip
        least = int(np.argmin(clear))
        if clear[least] > 4:
            break
        del places[least]
    return places
