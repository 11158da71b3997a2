"""Series with known changes for `change_points.py`: real noise with steps put in, and labelled ones.

Noise is what is left of the recorded sunpy-asv series once a running median is taken off, drawn in blocks
of ten commits, so that its tails, its outliers and its short memory stay. Two of the four recorded series
are for tuning, the other two for testing.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

STEPS = (0.01, 0.02, 0.05, 0.10, 0.20)
"""Relative sizes of the changes put in, as often each, up as often as down."""

KINDS = ("steady", "outliers", "two states", "shared runner")
STEADY = 1_000
"""The recorded series are of one kind of machine up to here, and of several afterwards."""

BLOCK = 10
QUIET = 0.01
"""Half of the series have their noise scaled to this (robust) standard deviation, the others keep theirs."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Known:
    """Values, and by index of the first point after each change its relative size."""

    kind: str
    values: Numbers
    changes: dict[int, float]


@cache
def recorded(folder: Path) -> list[dict[str, Any]]:
    """The recorded series, in the order in which they stand."""
    with gzip.open(folder / "sunpy-asv" / "series.json.gz", "rt") as stream:
        found: list[dict[str, Any]] = json.load(stream)
    return found


@cache
def pools(folder: Path, tuning: bool) -> dict[bool, list[Numbers]]:
    """Logarithms of noise, of steady machines (True) and of shared runners (False): the first two recorded
    series for tuning, the others for testing."""
    found: dict[bool, list[Numbers]] = {True: [], False: []}
    for one in recorded(folder)[:2] if tuning else recorded(folder)[2:]:
        logs = np.log(np.asarray(one["values"], dtype=float))
        for steady, part in ((True, logs[:STEADY]), (False, logs[STEADY:])):
            found[steady].append(part - median_filter(part, 41, mode="nearest"))
    return found


def synthetic(folder: Path, count: int, tuning: bool, seed: int) -> list[Known]:
    """Series of 100, 300 and 1,000 points with none to five changes, at least 15 points apart."""
    noise, draw = pools(folder, tuning), np.random.default_rng(seed)
    return [_one(noise, draw, KINDS[number % len(KINDS)]) for number in range(count)]


def unchanged(folder: Path, length: int, seed: int) -> Numbers:
    """Values of a steady machine without any change."""
    draw = np.random.default_rng(seed)
    return np.exp(_resampled(draw, pools(folder, tuning=False)[True][0], length))


def stepped(folder: Path, kind: str, step: float, at: int, after: int, seed: int) -> Numbers:
    """Values of one kind, held out from tuning, with one change after `at` points and `after` points behind
    it; half of the series are quiet."""
    draw = np.random.default_rng((seed, KINDS.index(kind)))
    logs = _noise(pools(folder, tuning=False), draw, kind, at + after)
    logs[at:] += math.log1p(step)
    return np.exp(logs + math.log(1e-3))


def _one(noise: dict[bool, list[Numbers]], draw: np.random.Generator, kind: str) -> Known:
    length = int(draw.choice((100, 300, 1_000)))
    logs = _noise(noise, draw, kind, length)
    changes: dict[int, float] = {}
    for place in _places(draw, length):
        step = float(draw.choice(STEPS)) * float(draw.choice((-1, 1)))
        changes[place] = step
        logs[place:] += math.copysign(math.log1p(abs(step)), step)
    return Known(kind, np.exp(logs + math.log(1e-3)), changes)


def _noise(noise: dict[bool, list[Numbers]], draw: np.random.Generator, kind: str, length: int) -> Numbers:
    pool = noise[kind != "shared runner"]
    logs = _resampled(draw, pool[draw.integers(len(pool))], length)
    if draw.random() < 0.5:
        logs *= QUIET / (1.4826 * float(np.median(np.abs(logs - np.median(logs)))))
    if kind == "outliers":
        hit = draw.random(length) < 0.03
        logs[hit] += np.log(draw.uniform(1.2, 3.0, int(hit.sum())))
    elif kind == "two states":
        logs += _states(draw, length)
    return logs


def _resampled(draw: np.random.Generator, pool: Numbers, length: int) -> Numbers:
    starts = draw.integers(0, len(pool) - BLOCK, size=-(-length // BLOCK))
    return np.concatenate([pool[start : start + BLOCK] for start in starts])[:length].copy()


def _states(draw: np.random.Generator, length: int) -> Numbers:
    """A second state, 5 to 20 % slower, that is entered at random and left after 1 to 5 points on average."""
    share, stay = draw.uniform(0.1, 0.5), draw.uniform(1, 5)
    leave = 1 / stay
    enter = min(1.0, leave * share / (1 - share))
    state, found = False, np.zeros(length)
    for index in range(length):
        state = draw.random() >= leave if state else draw.random() < enter
        found[index] = state
    return found * math.log1p(draw.uniform(0.05, 0.20))


def _places(draw: np.random.Generator, length: int, apart: int = 15) -> list[int]:
    wanted = int(draw.integers(0, 6)) if length > 100 else int(draw.integers(0, 3))
    found: list[int] = []
    while len(found) < wanted:
        place = int(draw.integers(apart, length - apart))
        if all(abs(place - other) >= apart for other in found):
            found.append(place)
    return sorted(found)


def annotated(folder: Path) -> dict[str, tuple[Numbers, list[list[int]]]]:
    """The labelled series of one dimension: values, gaps filled with what came before, and each annotator's
    changes."""
    labels = json.loads((folder / "tcpd" / "annotations.json").read_text())
    found = {}
    for path in sorted((folder / "tcpd").glob("*.json")):
        data = json.loads(path.read_text())
        if path.stem == "annotations" or data["n_dim"] != 1:
            continue
        raw: Sequence[float | None] = data["series"][0]["raw"]
        values = np.asarray([math.nan if value is None else value for value in raw], dtype=float)
        kept = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
        found[path.stem] = (values[kept], [list(marks) for marks in labels[path.stem].values()])
    return found
