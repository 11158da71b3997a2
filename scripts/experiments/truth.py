"""Known truth: is what the latency probe reports what a call of known length takes, and is cold cold?

On the host a call spins until the clock has passed so far, and keeps what it really took. On CUDA and
ROCm a kernel counts the core's clock; how fast that runs is taken from a kernel of 0.2 s by the host's
clock, which shares nothing with the events that the probe reads. The probe may be wrong by 1 % above
100 µs and by 5 % above 10 µs. A buffer of half the last-level cache then is read warm and cold: cold
readings that are cold take as long a byte as reading a buffer many times the cache.

    python scripts/experiments/truth.py --backend cuda --out docs/experiments
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from measuring import device, latency, write

from dsbench.backends import Backend
from dsbench.probes import Budget

LENGTHS = (10e-6, 20e-6, 50e-6, 100e-6, 1e-3, 10e-3, 50e-3)
REPEATS = 5
BUDGET = Budget(min_time=0.2, max_time=1.0, max_noise=0.005, graph=True)


def spins(seconds: float, taken: list[float]) -> Callable[[], None]:
    """A call that keeps the host busy for so long, and writes down what it took."""
    wanted = round(seconds * 1e9)

    def call() -> None:
        start = now = time.perf_counter_ns()
        while now - start < wanted:
            now = time.perf_counter_ns()
        taken.append((now - start) / 1e9)

    return call


def cycles_per_second(backend: Backend) -> float:
    """How fast the device's clock runs while it does nothing but count it."""
    torch = backend.torch  # type: ignore[attr-defined]
    rates = []
    for _ in range(5):
        backend.synchronize()
        start = time.perf_counter()
        torch.cuda._sleep(400_000_000)
        backend.synchronize()
        rates.append(400_000_000 / (time.perf_counter() - start))
    return median(rates)


def known(backend: Backend) -> list[dict[str, Any]]:
    """The reported length of calls of known length, `REPEATS` measurements each, the worst of them."""
    torch = backend.torch  # type: ignore[attr-defined]
    rows: list[dict[str, Any]] = []
    for length in LENGTHS:
        found: list[tuple[float, float, float]] = []
        for _ in range(REPEATS):
            if backend.name == "cpu":
                taken: list[float] = []
                reported = latency(spins(length, taken), backend, BUDGET)
                truth = median(taken)
            else:
                rate = cycles_per_second(backend)
                cycles = round(length * rate)
                reported = latency(partial(torch.cuda._sleep, cycles), backend, BUDGET)
                truth = cycles / cycles_per_second(backend)
            found.append((reported["latency"] / truth - 1, reported["latency_cold"] / truth - 1, truth))
        errors = [error for error, _, _ in found]
        bound = 0.01 if length > 99e-6 else 0.05
        worst = max(errors, key=abs)
        rows.append(
            {
                "call": f"{length * 1e6:g} us",
                "truth_us": median(truth for _, _, truth in found) * 1e6,
                "median_error_percent": 100 * median(errors),
                "worst_error_percent": 100 * worst,
                "cold_error_percent": 100 * median(cold for _, cold, _ in found),
                "bound_percent": 100 * bound,
                "within": abs(worst) <= bound,
            }
        )
    return rows


def coldness(backend: Backend) -> list[dict[str, Any]]:
    """Bytes a second at which half a last-level cache and sixteen of them are read, warm and cold."""
    torch = backend.torch  # type: ignore[attr-defined]
    cache = backend.describe().cache or 32 * 2**20
    rows = []
    for share in (0.5, 16.0):
        size = int(share * cache) // 4
        buffer = torch.ones(size, dtype=torch.float32, device=backend.device)
        reported = latency(buffer.sum, backend, BUDGET)
        warm, cold = (4 * size / reported[name] / 1e9 for name in ("latency", "latency_cold"))
        rows.append(
            {"buffer": f"{share:g} caches", "MiB": 4 * size / 2**20, "warm_GB_s": warm, "cold_GB_s": cold}
        )
        del buffer
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Known truth")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    options = parser.parse_args()
    backend = device(options.backend)
    write(known(backend), backend, options.out, "truth")
    write(coldness(backend), backend, options.out, "coldness")


if __name__ == "__main__":
    main()
