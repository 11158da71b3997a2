"""Somebody else on the device, who works and pauses for random times.

He works a third of the time on average, on the cores that are named, if any.

    python scripts/experiments/neighbour.py DEVICE SEED [CORE ...]
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence


def disturb(where: str, seed: int) -> None:
    """Multiplies matrices and sleeps, until it is ended."""
    import torch

    draw = random.Random(seed)
    left = torch.randn(2048, 2048, device=where)
    while True:
        end = time.monotonic() + draw.expovariate(1 / 0.3)
        while time.monotonic() < end:
            left @ left
            if where != "cpu":
                torch.cuda.synchronize()
        time.sleep(draw.expovariate(1 / 0.6))


@contextlib.contextmanager
def neighbour(where: str, wanted: bool, cores: Sequence[int] = (), seed: int = 0) -> Iterator[None]:
    """A noisy neighbour while the context lasts, if wanted, on the same cores if any are given."""
    command = [sys.executable, __file__, where, str(seed), *map(str, cores)]
    process = subprocess.Popen(command) if wanted else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


if __name__ == "__main__":
    if sys.argv[3:]:
        os.sched_setaffinity(0, map(int, sys.argv[3:]))  # before torch counts the cores
    disturb(sys.argv[1], int(sys.argv[2]))
