"""What is often advised against memory that grows, tried: what does it change?

A step of training that keeps its loss, and with it the graph, is taken as it is; with ``empty_cache()``
after every step; with checkpointing; and mended. For each: what the probe `leak` finds, the peak of a
step, what the allocator has reserved, what the driver (nvidia-smi) says by how much the process grew, and
how long a step takes. Each in a process of its own.

    python scripts/experiments/leak_advice.py --backend cuda --out docs/experiments
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from measuring import device, write

from dsbench.backends import BACKENDS, Backend
from dsbench.probes import Budget
from dsbench.probes.leak import tracing, watch
from dsbench.registry.declaring import LEAK_BUDGET
from dsbench.stats.growth import worst
from reference_models import residual

STEPS = 100
TRIED = ("leaking", "empty_cache", "checkpointing", "mended")


def steps(backend: Backend, tried: str) -> Callable[[], Any]:
    """A step of training on a small stack, as it is tried."""
    given = residual.inputs(64, 4, 32, backend.device, seed=0)
    kept: list[Any] = []

    def step() -> None:
        forward = residual.checkpointed if tried == "checkpointing" else residual.forward
        loss = forward(**given).square().mean()
        gradients = backend.torch.autograd.grad(loss, given["weights"], retain_graph=True)  # type: ignore[attr-defined]
        del gradients
        kept.append(float(loss) if tried == "mended" else loss)
        if tried == "empty_cache":
            backend.release()

    return step


def seen_by_driver(backend: Backend) -> float | None:
    """Bytes that the driver says are in use on the device; None for the host."""
    if backend.name != "cuda":
        return None
    free, total = backend.torch.cuda.mem_get_info()  # type: ignore[attr-defined]
    return float(total - free)


def one(tried: str, backend: Backend) -> dict[str, Any]:
    step = steps(backend, tried)
    with tracing():
        watched = watch(backend, step, Budget(max_time=0.25), LEAK_BUDGET)
    gc.collect()
    before, held = seen_by_driver(backend), backend.footprint()
    times = []
    for _ in range(STEPS):
        began = time.perf_counter()
        step()
        backend.synchronize()
        times.append(time.perf_counter() - began)
    after, grown = seen_by_driver(backend), backend.footprint()
    coarse = "reserved" if "reserved" in held else "resident"
    return {
        "tried": tried,
        "verdict": worst(list(watched.growth.values())).value,
        "leak_B_a_step": round(watched.slope.value),
        "peak_KiB": round(backend.peak_memory(step) / 1024),
        f"{coarse}_B_a_step": round((grown[coarse] - held[coarse]) / STEPS),
        "driver_B_a_step": "-" if before is None or after is None else round((after - before) / STEPS),
        "step_us": 1e6 * median(times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Advice against leaks")
    parser.add_argument("--backend", default="cpu", choices=BACKENDS)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--one", choices=TRIED, help=argparse.SUPPRESS)
    options = parser.parse_args()
    backend = device(options.backend)
    if options.one:
        print(json.dumps(one(options.one, backend)))
        return
    rows = []
    for tried in TRIED:
        command = [sys.executable, __file__, "--backend", options.backend, "--one", tried]
        done = subprocess.run(
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    write(rows, backend, options.out, "leak-advice")


if __name__ == "__main__":
    main()
