"""Short cases on the simulated device that also take some real time, to be interrupted in the midst."""

from __future__ import annotations

import time

from dsbench.backends.fake import spend
from dsbench.registry import benchmark


def slow(x):
    time.sleep(2e-3)
    spend(1e-3)
    return x


def fast(x):
    time.sleep(1e-3)
    spend(0.5e-3)
    return x


@benchmark(candidates={"slow": slow, "fast": fast}, baseline="slow", axes={"N": range(6)})
def lasting(N, device, seed):
    """Gives back what it was given."""
    del device
    return {"x": [seed, N]}
