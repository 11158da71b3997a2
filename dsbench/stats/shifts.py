"""How well a shift of the level explains points, under the noise that the series itself shows.

The density of the noise is the smoothed histogram of the residuals, so that a machine with two states has two
modes and rare slow points have a tail, and neither looks like a change. The level of a piece is where that
density fits its points best. Everything is on a grid whose unit is a fraction of the noise's spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.int64]]

FINE = 4
"""Grid steps in a standard deviation of the noise."""

MOST = 600
"""Levels on the grid at most; a wider series gets a coarser grid."""

PRIOR = 10
"""As many residuals as these are taken as drawn from Student's t with three degrees of freedom, which gives
the density a tail and carries it while the series is short."""

WIDTH = 1.5
"""Width of the density's smoothing, in standard deviations over the fifth root of the residuals' number; 1.06
is best for a normal density (Silverman, "Density estimation", 1986), wider has less of a mind of its own."""

RUNS = (3, 5, 10, 20)
"""Lengths of the runs of points by which the noise's memory is measured."""

MOST_MEMORY = 8.0
"""Bound of the memory, without which a slope or a wandering level would explain itself as memory alone."""


def spread_of(logs: Numbers, least: float) -> float:
    """Standard deviation of the noise by the median distance of neighbours, which steps do not widen; at
    least `least`, since repeats that are equal have none."""
    return max(least, 1.4826 * float(np.median(np.abs(np.diff(logs)))) / math.sqrt(2))


@dataclass(frozen=True)
class Grid:
    """A series on a grid: `points` are the grid's indices, `levels` how many levels there are from `low`
    on, in steps of `unit`; a residual is at most `reach` steps."""

    points: Places
    low: float
    unit: float
    levels: int
    spread: float

    @classmethod
    def of(cls, logs: Numbers, spread: float) -> Grid:
        """Lays a grid over all levels that at least three of five neighbours reach."""
        smooth = median_filter(logs, 5, mode="nearest")
        low, high = float(smooth.min()) - 3 * spread, float(smooth.max()) + 3 * spread
        unit = max(spread / FINE, (high - low) / MOST)
        levels = math.ceil((high - low) / unit) + 1
        edge = math.ceil(8 * spread / unit)
        points = np.clip(np.rint((logs - low) / unit).astype(np.int64), -edge, levels + edge)
        return cls(points, low, unit, levels, spread)

    @property
    def reach(self) -> int:
        return self.levels + math.ceil(8 * self.spread / self.unit)

    def density(self, residuals: Places) -> Numbers:
        """Logarithm of the noise's density at residuals from -reach to reach."""
        steps = np.arange(-self.reach, self.reach + 1)
        counted = np.bincount(residuals + self.reach, minlength=len(steps)).astype(float)
        width = max(1.0, WIDTH * self.spread / self.unit * max(len(residuals), 30) ** -0.2)
        tail = (1 + (steps * self.unit / self.spread) ** 2 / 3) ** -2.0
        mixed = gaussian_filter1d(counted, width, mode="constant") + PRIOR * tail / tail.sum()
        return np.asarray(np.log(mixed / (len(residuals) + PRIOR)), dtype=np.float64)

    def table(self, density: Numbers) -> Numbers:
        """Log likelihood of each value on the grid (rows) at each level (columns)."""
        edge = int(self.reach - self.levels)
        values = np.arange(-edge, self.levels + edge + 1)
        at = density[values[:, None] - np.arange(self.levels)[None, :] + self.reach]
        return np.asarray(at, dtype=np.float64)

    def pieces(self, places: list[int], table: Numbers) -> Numbers:
        """Log likelihood of each piece between places (the first 0, the last the length) at each level."""
        edge = int(self.reach - self.levels)
        counts = np.stack(
            [np.bincount(self.points[a:b] + edge, minlength=len(table)) for a, b in pairwise(places)]
        )
        return np.asarray(counts @ table, dtype=np.float64)

    def residuals(self, places: list[int], levels: Places) -> Places:
        """Each point less the level of its piece, in grid steps."""
        found = self.points - np.repeat(levels, np.diff(places))
        return np.clip(found, -self.reach, self.reach)

    def memory(self, residuals: Places, density: Numbers) -> float:
        """How much better runs of points are explained by a shift of their own than points without memory
        would be: 1 for none. A gain has to be divided by it before it says anything.

        Twice the gain of fitting one level is distributed as chi squared with one degree of freedom, half of
        which is 1/2 on average (Wilks, Ann. Math. Stat. 9, 1938).
        """
        most = int(np.quantile(np.abs(residuals), 0.99))
        shifts = np.arange(-most, most + 1, max(1, round(self.spread / self.unit / 2), most // 60))
        shifts -= shifts[len(shifts) // 2]  # no shift is among them
        at = density[np.clip(residuals[:, None] - shifts, -self.reach, self.reach) + self.reach]
        largest = 1.0
        for run in RUNS:
            whole = len(residuals) // run
            if whole >= 8:
                sums = at[: whole * run].reshape(whole, run, -1).sum(axis=1)
                gains = sums.max(axis=1) - sums[:, shifts == 0][:, 0]
                largest = max(largest, float(gains.mean()) / 0.5)
        return min(largest, MOST_MEMORY)
