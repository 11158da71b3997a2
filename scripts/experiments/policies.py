"""Which policy serves most, if steps take the same time? Live rates of short loads differ too much to say.

The steps of the engine of `batching.decoding` are measured once, and every policy meets the same arrivals in
virtual time, over seeds and several such measurements; the rate is the highest, in steps of 2 %, at which 99
of 100 requests are answered as promised. Ratios are taken seed by seed. What was expected before the first
run: written token by token, `continuous` serves 1.2 to 2 times as many as `greedy`, whose batch waits for its
longest answer.

    python scripts/experiments/policies.py --backend cpu --out docs/experiments
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measuring import device, write

from dsbench.backends import Backend
from dsbench.load.search import predict
from dsbench.load.virtual import calibrate
from dsbench.probes import Prepared, Workload
from dsbench.probes.load import Asked
from dsbench.registry import Benchmark, builtin_suites, load
from dsbench.stats.bootstrap import paired

FINE = 0.98
"""The rate that is tried next, over the last one."""


def compared(declared: Benchmark, backend: Backend, turn: int, seeds: int) -> list[dict[str, Any]]:
    """A row a policy, kind of arrivals and seed, all with the same costs of steps."""
    rows: list[dict[str, Any]] = []
    costs = None
    for case in declared.cases(backend.name, quick=False):
        workload = Workload(declared, case, backend, turn)
        asked = Asked(**Prepared(case, workload, 0, declared.candidates[case.candidate].function).call())
        costs = costs or calibrate(asked.engine, backend, asked.largest, limit=3.0)
        told = costs, asked.engine.steps, asked.policy, asked.slo, asked.arrivals
        facts = {"policy": case.candidate, "arrivals": str(asked.arrivals), "turn": turn}
        rows += [{**facts, "seed": seed, "rate": predict(*told, seed, FINE)} for seed in range(seeds)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--turns", type=int, default=3, help="how often steps are measured")
    parser.add_argument("--seeds", type=int, default=8, help="of arrivals")
    options = parser.parse_args()
    backend = device(options.backend)
    declared = load(builtin_suites() / "batching.py").benchmarks["decoding"]
    rows = [row for turn in range(options.turns) for row in compared(declared, backend, turn, options.seeds)]
    write(rows, backend, options.out, "policies")
    rates: dict[tuple[str, str], list[float | None]] = {}
    for row in rows:
        rates.setdefault((row["arrivals"], row["policy"]), []).append(row["rate"])
    for (kind, policy), each in rates.items():
        pairs = [
            (one, base)
            for one, base in zip(each, rates[kind, declared.baseline], strict=True)
            if one and base
        ]
        if not pairs:
            print(f"{kind}, {policy}: keeps the promise at no rate")
            continue
        ratio = paired(
            [[math.log(one / base) for one, base in pairs]], lambda column: np.exp(column.mean(-1))
        )
        told = f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] times {declared.baseline}"
        print(
            f"{kind}, {policy}: {median(one for one, _ in pairs):,.0f} a second, {told}, {len(pairs)} seeds"
        )


if __name__ == "__main__":
    main()
