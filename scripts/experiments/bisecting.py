"""Bisection over noise: how often is the commit that `dsbench bisect` calls found the right one?

A line of 64 commits has one that makes a case slower. A pair's noise is drawn from pair log ratios that were
recorded of two identical sides, as in `many_cases.py`; choosing, asking and stopping are dsbench's own
(`dsbench.culprit`), only building and measuring are simulated. Beside it, with the same noise: bisection that
trusts each answer, the median of three pairs against half of the slow-down, as `git bisect run` would.

What could have failed: of the commits found at 95 %, more than 5 % are wrong; or it takes more pairs than
asking everywhere.

    python scripts/experiments/bisecting.py FOLDER --out docs/experiments
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from many_cases import Pool, pools

from dsbench.culprit import Search
from dsbench.paired_gate import PairedPolicy
from dsbench.pairs import Pair, Pairing, Side
from dsbench.records import Case

COMMITS = 64
SIZES = (0.02, 0.05, 0.10)
CONFIDENCE = 0.95
CASE = Case("simulated", "case", "one")


def search(pool: Pool, size: float, culprit: int, draw: random.Random) -> Search:
    """One bisection, carried out."""

    def measure(
        sides: tuple[Side, Side], cases: Sequence[Case], number: int, pairing: Pairing
    ) -> Iterator[Pair]:
        del cases, pairing
        ratio = draw.choice(pool).log_ratio + math.log1p(size) * (int(sides[1].name) >= culprit)
        yield Pair(CASE.name, number, seconds=(1.0, math.exp(ratio)), log_ratio=ratio)

    found = Search(
        CASE,
        Side("good", Path()),
        [str(number) for number in range(COMMITS)],
        lambda revision: Side(revision, Path()),
        Pairing("fake"),
        PairedPolicy(),
        CONFIDENCE,
        math.inf,
        lambda *_: None,
        measure,
    )
    found.run()
    return found


def trusting(pool: Pool, size: float, culprit: int, draw: random.Random) -> int:
    """The commit that is found when every answer is believed."""
    low, high = 0, COMMITS - 1
    while low < high:
        middle = (low + high) // 2
        ratios = [draw.choice(pool).log_ratio + math.log1p(size) * (middle >= culprit) for _ in range(3)]
        low, high = (low, middle) if median(ratios) > math.log1p(size) / 2 else (middle + 1, high)
    return low


def row(machine: str, kernel: str, pool: Pool, size: float, repetitions: int) -> dict[str, Any]:
    """Many bisections of one size over one kernel's noise."""
    draw = random.Random(f"{machine} {kernel} {size}")
    sure = right = believed = 0
    taken = []
    for _ in range(repetitions):
        culprit = draw.randrange(COMMITS)
        found = search(pool, size, culprit, draw)
        if found.sure:
            sure += 1
            right += culprit in found.found[0]
            taken.append(found.pairs)
        believed += trusting(pool, size, culprit, draw) == culprit
    return {
        "machine": machine,
        "kernel": kernel,
        "slower_percent": 100 * size,
        "bisections": repetitions,
        "sure": sure,
        "right": right,
        "pairs": median(taken) if taken else None,
        "right when each answer is believed": believed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Bisections of 64 simulated commits over recorded noise")
    parser.add_argument("folder", type=Path, help="folder of *.jsonl.gz traces")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--repetitions", type=int, default=200)
    options = parser.parse_args()
    rows = [
        row(machine, kernel, pool, size, options.repetitions)
        for machine, kernels in pools([options.folder]).items()
        for kernel, pool in kernels.items()
        for size in SIZES
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "bisecting.json"
    path.write_text(json.dumps({"commits": COMMITS, "confidence": CONFIDENCE, "rows": rows}, indent=1) + "\n")
    for one in rows:
        print(
            f"{one['machine']:<7}{one['kernel']:<8}{one['slower_percent']:>3.0f} %  sure {one['sure']} of "
            f"{one['bisections']}, right {one['right']}, pairs {one['pairs']}; believing each answer: right "
            f"{one['right when each answer is believed']}"
        )
    print(path)


if __name__ == "__main__":
    main()
