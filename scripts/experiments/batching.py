"""Is virtual time right? The same loads, live and simulated from measured step times, over rates and seeds.

For every policy of the suite `batching`: the highest rate that virtual time predicts, then live loads at
shares of it, each held against a simulation of the very same arrivals. What was expected before the first
run: medians within 10 %, 99th percentiles within 30 % up to 0.8 of the predicted rate, and more beyond, where
a queue makes much of little.

    python scripts/experiments/batching.py --backend cpu --out docs/experiments
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from measuring import device, write

from dsbench.backends import Backend
from dsbench.load.outcome import keeps, summary
from dsbench.load.search import predict
from dsbench.load.virtual import calibrate, simulate
from dsbench.probes import Budget, Prepared, Workload
from dsbench.probes.load import Asked, Runs
from dsbench.records import Case
from dsbench.registry import Benchmark, builtin_suites, load

SHARES = (0.25, 0.5, 0.8, 1.0, 1.25)


def against(
    declared: Benchmark, case: Case, backend: Backend, seed: int, seconds: float
) -> list[dict[str, Any]]:
    workload = Workload(declared, case, backend, seed)
    prepared = Prepared(case, workload, 0, declared.candidates[case.candidate].function)
    asked = Asked(**prepared.call())
    runs = Runs(prepared, asked, Budget(max_time=seconds))
    costs = calibrate(asked.engine, backend, asked.largest, limit=seconds)
    lives, policy = asked.engine.steps, asked.policy
    rate = predict(costs, lives, policy, asked.slo, asked.arrivals, seed)
    if rate is None:
        return []
    rows = []
    for share in SHARES:
        live = runs.run(share * rate)
        virtual = simulate(costs, lives, policy(), live.intended, seed)
        found, simulated = summary(live, asked.slo), summary(virtual, asked.slo)
        rows.append(
            {
                "benchmark": declared.name,
                "policy": case.candidate,
                "arrivals": str(asked.arrivals),
                "seed": seed,
                "share": share,
                "rate": share * rate,
                "late": runs.late[-1],
                **{f"{name}_live": found[name] for name in ("latency_p50", "latency_p99", "batch_size")},
                **{
                    f"{name}_ratio": simulated[name] / found[name]
                    for name in ("latency_p50", "latency_p99", "batch_size")
                },
                "keeps_live": keeps(live, asked.slo),
                "keeps_virtual": keeps(virtual, asked.slo),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a live load")
    options = parser.parse_args()
    backend = device(options.backend)
    suite = load(builtin_suites() / "batching.py")
    rows: list[dict[str, Any]] = []
    for name in ("serving", "decoding"):
        declared = suite.benchmarks[name]
        for seed in range(options.seeds):
            for case in declared.cases(options.backend, quick=False):
                rows += against(declared, case, backend, seed, options.seconds)
    write(rows, backend, options.out, "batching")
    for share in SHARES:
        some = [row for row in rows if row["share"] == share]
        agree = sum(row["keeps_live"] == row["keeps_virtual"] for row in some)
        for name in ("latency_p50", "latency_p99"):
            ratios = sorted(row[f"{name}_ratio"] for row in some)
            tenth = len(ratios) // 10
            print(
                f"at {share:g} of the predicted rate: {name} virtual / live {median(ratios):.2f} "
                f"[{ratios[tenth]:.2f}, {ratios[-1 - tenth]:.2f}]"
            )
        print(
            f"at {share:g} of the predicted rate: the same verdict on the promise in {agree} of {len(some)}"
        )


if __name__ == "__main__":
    main()
