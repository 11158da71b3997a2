"""Where the distribution of a series may change: exact kernel segmentation, by the library ruptures.

Source: Arlot, Celisse and Harchaoui, "A kernel multiple change-point algorithm via model selection", JMLR 20
(2019), with the pruning of Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a linear
computational cost", JASA 107 (2012).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.float64]]

WINDOW = 500
"""Points that are segmented at once. Without a change the cost grows with the square of the length (0.9 s for
10,000 points), and the seams between windows are candidates like any other."""

PENALTY = 0.7
"""Nats a change, in units of the logarithm of the length: low, so that there are candidates to spare."""


def candidates(logs: Numbers, spread: float) -> list[int]:
    """Places at which a change may be, in order: indices of the first point after each.

    Args:
        logs: the series.
        spread: the typical distance of neighbouring points, as a standard deviation; the width of the kernel.
    """
    from ruptures import KernelCPD  # takes a second to import

    count, found = len(logs), set[int]()
    for start in range(0, count, WINDOW):
        part = logs[start : start + WINDOW]
        if start:
            found.add(start)
        if len(part) >= 4:  # the shortest that two pieces of two points fit into
            model = KernelCPD(kernel="rbf", min_size=2, params={"gamma": 0.5 / spread**2})
            ends = model.fit(part).predict(pen=PENALTY * math.log(count))
            found |= {start + int(end) for end in ends[:-1]}
    return sorted(found)
