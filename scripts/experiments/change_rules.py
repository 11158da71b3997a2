"""The rules that `change_points.py` holds beside each other: from values to the first points after."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ruptures import KernelCPD

from dsbench.history.steps import asv_steps
from dsbench.stats.changes import changes
from dsbench.stats.shifts import spread_of

Rule = Callable[[Sequence[float]], list[int]]

OTAVA = """
import json, sys
from otava.analysis import compute_change_points
for line in sys.stdin:
    values = json.loads(line)
    found = [int(point.index) for point in compute_change_points(values)[0]] if len(values) > 2 else []
    print(json.dumps(found), flush=True)
"""


def dsbench(values: Sequence[float]) -> list[int]:
    return [change.index for change in changes(values)]


def kernel(values: Sequence[float]) -> list[int]:
    """Kernel segmentation as it is: width by the median of all distances, 1.5 log n a change, steps of the
    medians below 1 % dropped."""
    logs = np.log(np.asarray(values, dtype=float))
    draw = np.random.default_rng(0).choice(logs, (2_000, 2))
    width = float(np.median((draw[:, 0] - draw[:, 1]) ** 2)) or 1e-12
    model = KernelCPD(kernel="rbf", min_size=2, params={"gamma": 1 / width})
    found = model.fit(logs).predict(pen=1.5 * math.log(len(logs)))[:-1]
    while found:
        edges = [0, *found, len(logs)]
        medians = [np.median(logs[a:b]) for a, b in pairwise(edges)]
        steps = np.abs(np.diff(medians))
        if steps.min() >= 0.01:
            break
        del found[int(np.argmin(steps))]
    return list(found)


def pelt(values: Sequence[float]) -> list[int]:
    """PELT with squared errors on logarithms, exact, 2 log n times the noise's variance a change."""
    logs = np.log(np.asarray(values, dtype=float))
    penalty = 2 * math.log(len(logs)) * spread_of(logs, 1e-6) ** 2
    return list(KernelCPD(kernel="linear", min_size=2).fit(logs).predict(pen=penalty)[:-1])


def windows(values: Sequence[float], back: int = 24, fore: int = 12, threshold: float = 7.0) -> list[int]:
    """Where Welch's t of up to 24 points before and 12 after is above 7 and higher than at its neighbours, as
    Mozilla's Perfherder judges; without its weights."""
    numbers = np.asarray(values, dtype=float)
    t = np.zeros(len(numbers))
    for place in range(12, len(numbers) - fore + 1):
        before, after = numbers[max(0, place - back) : place], numbers[place : place + fore]
        error = math.sqrt(before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after))
        t[place] = abs(after.mean() - before.mean()) / error if error else 0.0
    return [
        place
        for place in range(len(t))
        if t[place] > threshold and t[place] == t[max(0, place - fore) : place + fore + 1].max()
    ]


class Otava:
    """Apache Otava in an interpreter of its own, since its dependencies are not ours; `with` ends it."""

    def __init__(self, python: Path) -> None:
        self._process: subprocess.Popen[str] = subprocess.Popen(
            [str(python), "-c", OTAVA], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, values: Sequence[float]) -> list[int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(values)) + "\n")
        self._process.stdin.flush()
        return list(json.loads(self._process.stdout.readline()))

    def cpu(self) -> float:
        """Processor seconds of that interpreter so far."""
        import psutil

        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def __enter__(self) -> Otava:
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.kill()
        self._process.wait()


RULES: dict[str, Rule] = {
    "dsbench": dsbench,
    "kernel segmentation": kernel,
    "asv": asv_steps,
    "t > 7 windows": windows,
    "PELT, squared error": pelt,
}
