"""What does it cost a measured process that its parent looks at the device meanwhile?

A worker makes many small calls in stretches of half a second. Before each the parent draws whether it
looks, as the probe `utilisation` does, or not; pairs of neighbouring stretches are compared by ranks.

    python scripts/experiments/watching.py --backend cuda --out docs/experiments
"""

from __future__ import annotations

import argparse
import math
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from measuring import device, write

from dsbench.backends import BACKENDS
from dsbench.stats.signed_rank import hodges_lehmann
from dsbench.watch import Watch

STRETCH = 0.5


def worker(backend_name: str) -> None:
    """Answers each line with the seconds of a call over a stretch of small calls."""
    backend = device(backend_name)
    small = backend.torch.randn(64, 64, device=backend.device)  # type: ignore[attr-defined]
    for _ in range(1000):
        small @ small
    print("ready", flush=True)
    for _ in sys.stdin:
        backend.synchronize()
        calls, began = 0, time.perf_counter()
        while time.perf_counter() - began < STRETCH:
            for _ in range(50):
                small @ small
            calls += 50
            backend.synchronize()
        print((time.perf_counter() - began) / calls, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="What looking costs")
    parser.add_argument("--backend", default="cpu", choices=BACKENDS)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.backend)
        return
    command = [sys.executable, __file__, "--worker", "--backend", options.backend]
    identity = device(options.backend).identity()
    draw, ratios, looking = random.Random(0), [], []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None  # asked for above
        assert child.stdout is not None
        child.stdout.readline()
        for _ in range(options.pairs):
            seconds = {}
            for looks in draw.sample([True, False], 2):
                before = time.process_time()
                with Watch(options.backend) as watch:
                    if looks:
                        watch.begin(child.pid, identity)
                    child.stdin.write("go\n")
                    child.stdin.flush()
                    seconds[looks] = float(child.stdout.readline())
                if looks:
                    looking.append((time.process_time() - before) / STRETCH)
            ratios.append(math.log(seconds[True] / seconds[False]))
        child.stdin.close()
    found = hodges_lehmann(ratios, 0.95)
    percent = [100 * math.expm1(value) for value in (found.value, found.low or 0.0, found.high or 0.0)]
    row = {
        "pairs": len(ratios),
        "slower_percent": percent[0],
        "low_percent": percent[1],
        "high_percent": percent[2],
    }
    write(
        [{**row, "parent_cpu_percent": 100 * median(looking)}],
        device(options.backend),
        options.out,
        "watching",
    )


if __name__ == "__main__":
    main()
