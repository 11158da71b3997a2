"""The newest points of a series: do they look as if the level had changed just now?

A change is sure once many points lie on its far side. Until then a few of them make a suspect, which is there
to be measured again and not to raise an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsbench.stats.changes import FEWEST, LEAST
from dsbench.stats.levels import Model, logarithms
from dsbench.stats.segmentation import candidates
from dsbench.stats.shifts import spread_of

NEWEST = 5
"""Points at the end that are held against what was before them."""

GAIN = 4.0
"""Nats by which a level of their own must explain them better."""


@dataclass(frozen=True)
class Suspect:
    """The values from `index` on look `size` (0.05 is 5 % more) away from the level before them."""

    index: int
    size: float


def suspect(values: Sequence[float], least: float = LEAST) -> Suspect | None:
    """Whether the newest two to five points have a level of their own; None when they do not, or when there
    are fewer than eight points before them.

    Args:
        values: finite numbers, oldest first, as for `changes`.
        least: the smallest relative change that counts.
    """
    count = len(values)
    if count < FEWEST + NEWEST:
        return None
    logs = logarithms(values)
    spread = spread_of(logs, least / 4)
    model = Model.fitted(logs, spread, candidates(logs[:-NEWEST], spread), newest=NEWEST)
    start = model.places[-1] if model.places else 0
    level = int(np.argmax(model.pieces([start, count - NEWEST])[0]))
    found: tuple[float, Suspect] | None = None
    for index in range(count - NEWEST, count - 1):
        fits = model.pieces([index, count])[0]
        gain = float(fits.max() - fits[level]) / model.memory
        shift = float(np.argmax(fits) - level) * model.grid.unit
        if gain >= GAIN and abs(shift) >= math.log1p(least) and (found is None or gain > found[0]):
            found = gain, Suspect(index, math.expm1(shift))
    return found[1] if found else None
