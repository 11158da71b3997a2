"""Changes of a series' level: when, how large, how sure.

Kernel segmentation proposes places, and each stays that a shift of the level explains well enough under the
noise which the series itself shows: its modes, its tail and its memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from dsbench.stats.intervals import Estimate
from dsbench.stats.levels import Model, logarithms
from dsbench.stats.segmentation import candidates
from dsbench.stats.shifts import spread_of

LEAST = 0.005
"""The smallest relative change that counts."""

FEWEST = 8
"""With fewer points than these nothing is said."""


@dataclass(frozen=True)
class Change:
    """A change of the level. Indices are those of the values that were given.

    `index` is the first point after it, and with 95 % it is no earlier than `earliest` and no later than
    `latest`. `before` and `after` are the medians of the pieces on either side; `size` is the relative
    change (0.05 is 5 % more) with a 95 % interval. `chance` bounds how often noise alone would show as much
    somewhere in a series of this length.
    """

    index: int
    earliest: int
    latest: int
    before: float
    after: float
    size: Estimate
    chance: float


def changes(values: Sequence[float], least: float = LEAST) -> list[Change]:
    """The changes of a series, oldest first; none with fewer than eight points.

    Args:
        values: finite numbers, oldest first. Their logarithms are looked at, where numbers that are not
            positive count as half the smallest positive one.
        least: the smallest relative change that counts.
    """
    if len(values) < FEWEST:
        return []
    logs = logarithms(values)
    spread = spread_of(logs, least / 4)
    proposed = candidates(logs, spread)
    if not proposed:
        return []  # half of all series; their noise need not be known
    model = Model.fitted(logs, spread, proposed)
    found = model.places
    while found:
        levels = model.levels(found)
        sizes = np.abs(np.diff(levels)) * model.grid.unit
        smallest = int(np.argmin(sizes))
        if sizes[smallest] >= math.log1p(least):
            break
        found = [*found[:smallest], *found[smallest + 1 :]]
    return [
        _told(model, before, at, after, values)
        for before, at, after in zip([0, *found], found, [*found[1:], len(values)], strict=False)
    ]


def _told(model: Model, start: int, at: int, end: int, values: Sequence[float]) -> Change:
    """What is said of a change at a place, between its neighbours."""
    unit, memory = model.grid.unit, model.memory
    pieces = model.pieces([start, at, end])
    levels = np.argmax(pieces, axis=1)
    gain = (float(pieces.max(axis=1).sum()) - float(pieces.sum(axis=0).max())) / memory
    first, fits = model.fit(start, end, int(levels[0]), int(levels[1]))
    weights = np.exp((fits - fits.max()) / memory) if len(fits) else np.ones(1)
    sums = np.cumsum(weights) / weights.sum()
    earliest, latest = (first + int(np.searchsorted(sums, q)) for q in (0.025, 0.975))
    # A level's 95 % interval is where its log likelihood lies within 1.92 of the best (Wilks).
    inside = [np.flatnonzero(row >= row.max() - 1.92 * memory) for row in pieces]
    widths = [float(np.ptp(edge) + 1) * unit / 2 for edge in inside]
    step, half = float(levels[1] - levels[0]) * unit, math.hypot(*widths)
    return Change(
        index=at,
        earliest=min(earliest, at),
        latest=max(latest, at),
        before=median(values[start:at]),
        after=median(values[at:end]),
        size=Estimate(math.expm1(step), math.expm1(step - half), math.expm1(step + half)),
        chance=min(1.0, len(values) * math.exp(-gain)),
    )
