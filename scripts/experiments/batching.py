"""Is virtual time right? The same loads, live and simulated from measured step times, over rates and seeds.

For every policy of the suite `batching`: the highest rate that virtual time predicts, then live loads at
shares of it, each held against a simulation of the very same arrivals, and against one that takes a model
which has waited to be as fast as one that has not. What was expected before the first run: medians within
10 %, 99th percentiles within 30 % up to 0.8 of the predicted rate, and more beyond, where a queue makes much
of little. The first runs had medians of 0.80 to 0.84; that pauses are why was then expected to show in the
second simulation alone.

    python scripts/experiments/batching.py --backend cpu --time 500 --out docs/experiments
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from measuring import device, write

from dsbench.backends import Backend
from dsbench.load.outcome import keeps, summary
from dsbench.load.search import predict
from dsbench.load.virtual import LEVELS, PAUSES, calibrate, simulate
from dsbench.probes import Budget, Prepared, Workload
from dsbench.probes.load import LEAST, Asked, Runs
from dsbench.records import Case
from dsbench.registry import Benchmark, builtin_suites, load

SHARES = (0.25, 0.5, 0.8, 1.0, 1.25)
COMPARED = ("latency_p50", "latency_p99", "batch_size")

LONGEST = 5.0
"""Seconds that a live load may take; lower rates, at which it would take longer, are left out."""


def against(
    declared: Benchmark, case: Case, backend: Backend, seed: int, seconds: float, more: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """A row a share of the predicted rate, as long as there is time for more."""
    workload = Workload(declared, case, backend, seed)
    prepared = Prepared(case, workload, 0, declared.candidates[case.candidate].function)
    asked = Asked(**prepared.call())
    runs = Runs(prepared, asked, Budget(max_time=seconds))
    costs = calibrate(asked.engine, backend, asked.largest, limit=seconds)
    hot = replace(costs, after=[[0.0] * len(PAUSES)] * LEVELS)
    lives, policy = asked.engine.steps, asked.policy
    rate = predict(costs, lives, policy, asked.slo, asked.arrivals, seed)
    for share in SHARES:
        if rate is None or LONGEST * share * rate < LEAST or not more():
            continue
        live = runs.run(share * rate)
        virtual, unpaused = (simulate(c, lives, policy(), live.intended, seed) for c in (costs, hot))
        found, simulated, warm = (summary(served, asked.slo) for served in (live, virtual, unpaused))
        yield {
            "benchmark": declared.name,
            "policy": case.candidate,
            "arrivals": str(asked.arrivals),
            "seed": seed,
            "share": share,
            "rate": share * rate,
            "late": runs.late[-1],
            **{f"{name}_live": found[name] for name in COMPARED},
            **{f"{name}_ratio": simulated[name] / found[name] for name in COMPARED},
            "latency_p50_ratio_without_pauses": warm["latency_p50"] / found["latency_p50"],
            "keeps_live": keeps(live, asked.slo),
            "keeps_virtual": keeps(virtual, asked.slo),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--seeds", type=int, default=5, help="at most")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a live load at least")
    parser.add_argument("--time", type=float, default=120.0, help="seconds after which no load begins")
    options = parser.parse_args()
    ends = time.monotonic() + options.time
    backend = device(options.backend)
    suite = load(builtin_suites() / "batching.py")
    cases = [
        (declared, case)
        for declared in (suite.benchmarks["serving"], suite.benchmarks["decoding"])
        for case in declared.cases(options.backend, quick=False)
    ]
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for declared, case in cases:
            if time.monotonic() < ends:
                rows += against(
                    declared, case, backend, seed, options.seconds, lambda: time.monotonic() < ends
                )
    write(rows, backend, options.out, "batching")
    for share in SHARES:
        some = [row for row in rows if row["share"] == share]
        if not some:
            continue
        at = f"at {share:g} of the predicted rate:"
        for name in ("latency_p50_ratio", "latency_p50_ratio_without_pauses", "latency_p99_ratio"):
            ratios = sorted(row[name] for row in some)
            tenth = len(ratios) // 10
            print(f"{at} {name} {median(ratios):.2f} [{ratios[tenth]:.2f}, {ratios[-1 - tenth]:.2f}]")
        agree = sum(row["keeps_live"] == row["keeps_virtual"] for row in some)
        print(f"{at} the same verdict on the promise in {agree} of {len(some)}")


if __name__ == "__main__":
    main()
