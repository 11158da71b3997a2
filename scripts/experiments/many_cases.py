"""Many cases at once: of 200, five are slower. Are these five found, and nothing else?

Each simulated case takes its noise from pair log ratios that were recorded of two identical sides (design I:
taking turns), resampled one by one; the five have their slow-down added. Judging is dsbench's own
(`dsbench.versus`: screen, 24 fresh pairs for the alarms, Holm's bound, A/A controls), only the measuring is
simulated. Beside it, on the same pairs: the screening alone, and one stage of 12 pairs with the false
discovery rate controlled (Benjamini and Hochberg, J. R. Stat. Soc. B 57, 1995).

What could have failed: one of the five is missed, or a case that is no slower is called so.

    python scripts/experiments/many_cases.py TRACES ... --out docs/experiments
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from statistics import fmean, median
from typing import Any

from traces import by_wall, pair_of, read, slower

from dsbench.gate import Outcome
from dsbench.paired_gate import LOOKS, PairedPolicy
from dsbench.pairs import Pair, Pairing, Side
from dsbench.records import Case
from dsbench.stats.signed_rank import p_greater
from dsbench.versus import Versus

CASES, SLOWER = 200, 5
SIZES = (0.01, 0.02, 0.05, 0.10)
RATE = 0.01
"""False discovery rate of the one-stage rule; dsbench's own error is as large."""

Pool = Sequence[Pair]


def pools(folders: Sequence[Path]) -> dict[str, dict[str, list[Pair]]]:
    """Pairs of identical sides, by machine and kernel."""
    found: dict[str, dict[str, list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for stream in read(folders):
        cell = stream.cell
        if not cell.real:
            machine = f"{cell.machine}, {'busy' if cell.busy else 'quiet'}"
            clocks = zip_longest(stream.pairs, stream.processor)
            found[machine][cell.kernel] += [pair_of(number, *turns) for number, turns in enumerate(clocks)]
    return found


class Simulation:
    """Pairs without processes: a case's noise is drawn from its pool, and its slow-down added."""

    def __init__(self, pools: Sequence[Pool], size: float, draw: random.Random) -> None:
        self.cases = [Case("simulated", "case", str(number)) for number in range(CASES)]
        self.slower = set(draw.sample(self.cases, SLOWER))
        self._pool = {case: draw.choice(pools) for case in self.cases}
        self._shift, self._draw = size, draw
        self.taken: dict[Case, list[float]] = defaultdict(list)

    def measure(
        self,
        sides: tuple[Side, Side],
        cases: Sequence[Case],
        number: int,
        pairing: Pairing,
        controls: Collection[str],
        probing: Collection[str],
        metrics: Mapping[Case, Sequence[str]],
    ) -> Iterator[Pair]:
        del sides, pairing, probing, metrics
        for case in cases:
            noise = self._draw.choice(self._pool[case])
            if case.name in controls:
                yield replace(noise, case=case.name, number=number, control=True)
                noise = self._draw.choice(self._pool[case])
            (pair,) = slower([noise], self._shift * (case in self.slower))
            if len(self.taken[case]) < LOOKS[0]:
                self.taken[case].append(pair.log_ratio)
            yield replace(pair, case=case.name, number=number)


def one_stage(simulation: Simulation) -> set[Case]:
    """The cases that one stage of 12 pairs calls slower, by Benjamini and Hochberg's rule."""
    values = {case: p_greater(taken) for case, taken in simulation.taken.items()}
    ordered = sorted(values, key=values.__getitem__)
    passed = [rank for rank, case in enumerate(ordered, 1) if values[case] <= RATE * rank / CASES]
    return {case for case in ordered[: max(passed, default=0)] if median(simulation.taken[case]) >= 0.01}


def repetition(pools: Sequence[Pool], size: float, seed: str) -> dict[str, Any]:
    """One comparison of all cases: what each rule found, and how many pairs dsbench took."""
    versus, simulation, kept = compared(pools, size, seed)
    # The same cases and pairs, of which dsbench knows no processor time.
    wall, _, _ = compared([by_wall(pool) for pool in pools], size, seed)
    verdicts = versus.verdicts()
    differ = sum(v.outcome in (Outcome.WORSE, Outcome.BETTER) for v in versus.controls())
    alarms = {v.case for v in verdicts if v.outcome is Outcome.WORSE or "fresh pairs" in v.reason}
    rules = {
        "dsbench": {v.case for v in verdicts if v.outcome is Outcome.WORSE},
        "dsbench, wall clock alone": {v.case for v in wall.verdicts() if v.outcome is Outcome.WORSE},
        "screening alone": alarms,
        f"one stage, false discovery rate {RATE:.0%}": one_stage(simulation),
    }
    return {
        "rules": {
            rule: (len(found & simulation.slower), len(found - simulation.slower))
            for rule, found in rules.items()
        },
        "pairs": kept,
        "controls": len(versus.controls()),
        "controls that differ": differ,
    }


def compared(pools: Sequence[Pool], size: float, seed: str) -> tuple[Versus, Simulation, int]:
    """All cases held against each other, and how many pairs that took."""
    draw = random.Random(seed)
    simulation = Simulation(pools, size, draw)
    kept: Counter[bool] = Counter()
    side = Side("simulated", Path())
    versus = Versus(
        (side, side),
        simulation.cases,
        Pairing("fake", seed=draw.randrange(2**31)),
        PairedPolicy(),
        math.inf,
        lambda _, confirming: kept.update([confirming]),
        simulation.measure,
    )
    versus.run()
    return versus, simulation, kept.total()


def main() -> None:
    parser = argparse.ArgumentParser(description="200 simulated cases, five of them slower")
    parser.add_argument("traces", type=Path, nargs="+", help="files, and folders of files, *.jsonl.gz")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--repetitions", type=int, default=200)
    options = parser.parse_args()
    recorded = pools(options.traces)
    rows = []
    for machine, kernels in recorded.items():
        for size in SIZES:
            done = [
                repetition(list(kernels.values()), size, f"{machine} {size} {number}")
                for number in range(options.repetitions)
            ]
            for rule in done[0]["rules"]:
                found = [one["rules"][rule] for one in done]
                rows.append(
                    {
                        "machine": machine,
                        "recorded pairs": sum(map(len, kernels.values())),
                        "slower_percent": 100 * size,
                        "rule": rule,
                        "repetitions": len(done),
                        "all five and nothing else": sum(pair == (SLOWER, 0) for pair in found),
                        "found of five": round(fmean(hits for hits, _ in found), 3),
                        "repetitions with a false alarm": sum(false > 0 for _, false in found),
                        "false alarms": sum(false for _, false in found),
                        "pairs a case": round(fmean(one["pairs"] for one in done) / CASES, 1),
                        "controls": sum(one["controls"] for one in done),
                        "controls that differ": sum(one["controls that differ"] for one in done),
                    }
                )
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "many-cases.json"
    path.write_text(json.dumps({"cases": CASES, "slower": SLOWER, "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(
            f"{row['machine']:<24}{row['slower_percent']:>4.0f} %  {row['rule']:<36}"
            f"{row['all five and nothing else']:>5} of {row['repetitions']}  found {row['found of five']:.2f}"
            f"  false {row['false alarms']}  pairs {row['pairs a case']}"
            f"  controls {row['controls that differ']}/{row['controls']}"
        )
    print(path)


if __name__ == "__main__":
    main()
