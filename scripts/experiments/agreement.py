"""Agreement: does the latency probe say what independent timers say of the same operators?

On CUDA and ROCm: cold readings against `triton.testing.do_bench`, which flushes the cache as well, and
hot ones, launched one by one and replayed, against the replay of a device graph that holds many calls,
timed by the host's clock. On the
host: hot readings against `torch.utils.benchmark.Timer.adaptive_autorange` with as many threads. Timers
take turns, several times, and the ratio is that of the medians. Agreement is within 3 %.

    python scripts/experiments/agreement.py --backend cuda --out docs/experiments
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

sys.path.append(str(Path(__file__).parent / "suites"))

import operators as suite
from measuring import device, latency, write

from dsbench.backends import Backend
from dsbench.probes import Budget
from dsbench.registry import resolve

REPEATS = 3
BUDGET = Budget(min_time=0.2, max_time=1.0, max_noise=0.005, graph=True)
BOUND = 0.03


def replayed(call: Callable[[], Any], backend: Backend, seconds: float) -> float:
    """Seconds of a call by the host's clock, over a graph of about 20 ms replayed ten times."""
    calls = max(1, min(2000, round(0.02 / seconds)))
    replay = backend.graph(call, calls)
    replay()
    backend.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        replay()
    backend.synchronize()
    return (time.perf_counter() - start) / 10 / calls


def others(call: Callable[[], Any], backend: Backend, seconds: float) -> dict[str, float]:
    """What the independent timers say, by the reading of the probe that each is held against."""
    if backend.name == "cpu":
        from torch.utils.benchmark import Timer

        timer = Timer("call()", globals={"call": call}, num_threads=backend.cores)
        return {"latency": timer.adaptive_autorange(min_run_time=0.5, max_run_time=3.0).median}
    from triton.testing import do_bench

    cold = do_bench(call, warmup=50, rep=300, return_mode="median") / 1e3
    replay = replayed(call, backend, seconds)
    return {"latency_cold": float(cold), "latency": replay, "latency_graph": replay}


def main() -> None:
    parser = argparse.ArgumentParser(description="Agreement with independent timers")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    options = parser.parse_args()
    backend = device(options.backend)
    inputs = suite.operators.inputs(device=backend.device, seed=0)
    rows: list[dict[str, Any]] = []
    for name, candidate in suite.operators.candidates.items():
        function = resolve(candidate.function)
        call = partial(function, **inputs)
        ours: list[dict[str, float]] = []
        theirs: list[dict[str, float]] = []
        for _ in range(REPEATS):
            ours.append(latency(call, backend, BUDGET))
            theirs.append(others(call, backend, ours[-1]["latency"]))
        for reading in theirs[0]:
            mine, other = (median(found[reading] for found in side) for side in (ours, theirs))
            rows.append(
                {
                    "operator": name,
                    "reading": reading,
                    "dsbench_us": mine * 1e6,
                    "other_us": other * 1e6,
                    "launch_us": 1e6 * ours[0].get("launch_overhead", 0.0),
                    "graph_us": 1e6 * ours[0].get("latency_graph", 0.0),
                    "difference_percent": 100 * (mine / other - 1),
                    "agrees": abs(mine / other - 1) <= BOUND,
                }
            )
    write(rows, backend, options.out, "agreement")


if __name__ == "__main__":
    main()
