"""A/B rules on recorded traces: how often does each call side 1 slower, and how often is it?

Traces hold samples of two sides, 12 processes each, taken one side after the other (S) or in turns (I), with
a known difference in the work of the two. Every rule sees the same samples: asv's own (`asv.util` and
`asv_runner.statistics`, as `asv compare` uses them), Welch's t test and the U test on all samples, which is
what pools a process's samples as if they were independent, and dsbench's on pairs. Slow-downs are injected by
scaling side 1. One recording is one comparison; processes drawn with replacement make more of each.

    python scripts/experiments/replay.py FOLDER --out docs/experiments
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from asv.commands.compare import _is_result_better
from asv_runner.statistics import compute_stats
from scipy.stats import mannwhitneyu, ttest_ind

from dsbench.gate import Outcome
from dsbench.paired_gate import LOOKS, PairedPolicy, settle
from dsbench.pairs import Pair
from dsbench.records import Case

INJECTED = (0.0, 0.01, 0.02, 0.05, 0.10)
CASE = Case("recorded", "trace", "kernel")
Processes = dict[int, dict[int, list[float]]]
"""Seconds of each sample in order, by process and side."""


def processes(trace: dict[str, Any]) -> Processes:
    found: Processes = defaultdict(lambda: {0: [], 1: []})
    # A side's share of the work is its calls a batch: with more calls it is slower by as much.
    for side, process, _, _, wall, _ in trace["samples"]:
        found[process][side].append(wall * 1e-9 / trace["nums"][0])
    return found


def asv(drawn: list[dict[int, list[float]]], factor: float) -> bool:
    """Worse by `asv compare`: its statistics and its default factor of 1.1."""
    pooled = [[v * (factor if side else 1) for p in drawn for v in p[side]] for side in (0, 1)]
    before, after = (compute_stats(values, 1) for values in pooled)
    return bool(_is_result_better(before[0], after[0], (before[1], pooled[0]), (after[1], pooled[1]), 1.1))


def pooled_test(drawn: list[dict[int, list[float]]], factor: float, test: Any) -> bool:
    """Worse by a test at 5 % that takes all samples for independent."""
    before, after = ([v * (factor if side else 1) for p in drawn for v in p[side]] for side in (0, 1))
    return bool(test(before, after) < 0.05 and median(after) > median(before))


def dsbench(drawn: list[dict[int, list[float]]], factor: float) -> bool:
    """Worse at the first of dsbench's looks, before fresh pairs confirm it."""
    pairs = []
    for number, process in enumerate(drawn):
        ratios = [
            math.log(after * factor / before) for before, after in zip(process[0], process[1], strict=False)
        ]
        pairs.append(Pair(CASE.name, number, seconds=(1.0, 1.0), log_ratio=median(ratios)))
    looks = [look for look in LOOKS if look <= len(pairs)]
    found = (settle(CASE, pairs[:look], PairedPolicy()).outcome for look in looks)
    return next((outcome for outcome in found if outcome is not Outcome.INCONCLUSIVE), None) is Outcome.WORSE


RULES = {
    "asv compare": asv,
    "t test, all samples": lambda d, f: pooled_test(
        d, f, lambda a, b: ttest_ind(a, b, equal_var=False).pvalue
    ),
    "U test, all samples": lambda d, f: pooled_test(d, f, lambda a, b: mannwhitneyu(a, b).pvalue),
    "dsbench, screening": dsbench,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="A/B rules on recorded traces")
    parser.add_argument("folder", type=Path, help="folder of *.jsonl.gz traces")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--draws", type=int, default=10, help="comparisons drawn from each recording")
    options = parser.parse_args()
    counted: Counter[tuple[str, ...]] = Counter()
    total: Counter[tuple[str, ...]] = Counter()
    draw = random.Random(0)
    for path in sorted(options.folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            for trace in map(json.loads, lines):
                sides = list(processes(trace).values())
                real = trace["nums"][1] / trace["nums"][0] - 1
                machine = path.name.partition("_")[0]
                for number in range(options.draws):
                    drawn = sides if number == 0 else draw.choices(sides, k=len(sides))
                    for injected in INJECTED if real == 0 else (0.0,):
                        factor = 1 + injected
                        for rule, says in RULES.items():
                            key = (machine, trace["kernel"], trace["design"], f"{real + injected:.0%}", rule)
                            total[key] += 1
                            counted[key] += says(drawn, factor)
    names = ("machine", "kernel", "design", "slower", "rule")
    rows = [
        {**dict(zip(names, key, strict=True)), "comparisons": total[key], "worse": counted[key]}
        for key in sorted(total)
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "replay.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    for row in rows:
        print(
            *(str(row[name]).ljust(20) for name in names), f"{100 * row['worse'] / row['comparisons']:5.1f} %"
        )


if __name__ == "__main__":
    main()
