"""A/B rules on recorded pairs of processes: how often does each call the second side slower, and is it?

Every rule sees the same samples in the same time. A comparison is a block of pairs that follow each other in
one stream. Its sides take turns; or one comes after the other, as it does where peers are used as they are
shipped: then, both sides doing the same, all of the first half of the block's time is one side and all of the
second half the other. Slow-downs are injected by scaling the second side, and some are real. Blocks of a
stream overlap, so that their comparisons are not independent of each other.

What hundreds of blocks cannot show, how rarely dsbench is wrong after it has measured again, is drawn from
the same pairs in any order (`draws`): pairs, not turns, are what is taken for independent.

    python scripts/experiments/replay.py TRACES ... --out docs/experiments
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rules import RULES, Comparison, confirmed, screened
from traces import Cell, Stream, log_ratio, read

from dsbench.gate import Outcome
from dsbench.paired_gate import CONFIRMING, LOOKS

INJECTED = (0.0, 0.01, 0.02, 0.05, 0.10)
PEERS = ("asv", "asv_runner", "pyperf", "pytest-benchmark")


def slowed(compared: Comparison, share: float) -> Comparison:
    """The second side scaled by a share."""
    return [(before, after * (1 + share)) for before, after in compared]


def one_after_the_other(block: Comparison) -> Comparison:
    """A block of pairs whose sides did the same, as if one side had been measured before the other."""
    processes = [np.asarray(side) for pair in block for side in pair]
    half = len(processes) // 2
    return list(zip(processes[:half], processes[half:], strict=True))


def blocks(streams: Sequence[Stream], pairs: int, wanted: int, draw: random.Random) -> Iterator[Any]:
    """Some of the blocks of so many pairs, each with the pairs that are not in it, those of other streams
    if there are enough."""
    starts = [
        (index, start)
        for index, stream in enumerate(streams)
        for start in range(len(stream.pairs) - pairs + 1)
    ]
    for index, start in draw.sample(starts, min(wanted, len(starts))):
        block = streams[index].pairs[start : start + pairs]
        others = [pair for other, stream in enumerate(streams) if other != index for pair in stream.pairs]
        mine = streams[index].pairs[:start] + streams[index].pairs[start + pairs :]
        yield block, others if len(others) >= CONFIRMING else others + mine


def judged(streams: Sequence[Stream], wanted: int) -> Iterator[dict[str, Any]]:
    """A row a slow-down, design, number of pairs and rule: how many comparisons it called slower."""
    cell = streams[0].cell
    draw = random.Random(0)
    for pairs in (LOOKS[0], LOOKS[-1]):
        counts: dict[tuple[str, float, str], list[int]] = defaultdict(lambda: [0, 0])

        def count(design: str, injected: float, rule: str, says: bool, into: Any = counts) -> None:
            into[design, injected, rule][0] += 1
            into[design, injected, rule][1] += says

        for block, others in blocks(streams, pairs, wanted, draw):
            for injected in (0.0,) if cell.real else INJECTED:
                compared = slowed(block, injected)
                for rule, says in RULES.items():
                    count("turns", injected, rule, says(compared))
                    if not cell.real:
                        count("after", injected, rule, says(slowed(one_after_the_other(block), injected)))
                if len(others) >= CONFIRMING:
                    fresh = draw.sample(others, CONFIRMING)
                    ratios = [[log_ratio(p) + math.log1p(injected) for p in some] for some in (block, fresh)]
                    count("turns", injected, "dsbench, confirmed", confirmed(*ratios))
        for (design, injected, rule), (comparisons, worse) in counts.items():
            told = {"design": design, "injected": injected, "pairs": pairs, "rule": rule}
            yield {**asdict(cell), **told, "comparisons": comparisons, "worse": worse}


def drawn(streams: Sequence[Stream], draws: int) -> Iterator[dict[str, Any]]:
    """A row a clock and slow-down: how many comparisons of pairs in any order dsbench called slower, at
    first and after fresh pairs. (dsbench itself judges by the wall clock.)"""
    cell = streams[0].cell
    clocks = {
        "wall": [log_ratio(pair) for stream in streams for pair in stream.pairs],
        "processor": [log_ratio(pair) for stream in streams for pair in stream.processor],
    }
    enough = {name: ratios for name, ratios in clocks.items() if len(ratios) >= LOOKS[-1] + CONFIRMING}
    draw = random.Random(0)
    for (clock, ratios), injected in product(enough.items(), (0.0,) if cell.real else INJECTED):
        # Whether a slow-down is found needs fewer draws than how rarely nothing is called one.
        wanted = draws if not cell.real + injected else draws // 10
        shifted = [ratio + math.log1p(injected) for ratio in ratios]
        alarms = recurring = 0
        for _ in range(wanted):
            some = draw.sample(shifted, LOOKS[-1] + CONFIRMING)
            alarm = screened(some[: LOOKS[-1]]).outcome is Outcome.WORSE
            alarms += alarm
            recurring += alarm and confirmed(some[: LOOKS[-1]], some[LOOKS[-1] :])
        told = {
            "clock": clock,
            "injected": injected,
            "draws": wanted,
            "alarms": alarms,
            "confirmed": recurring,
        }
        yield {**asdict(cell), **told}


def recorded(streams: Sequence[Stream]) -> dict[str, Any]:
    """What there is of a cell: its pairs, how far they scatter, and what they say in the middle."""
    ratios = np.array([log_ratio(pair) for stream in streams for pair in stream.pairs])
    processor = [log_ratio(pair) for stream in streams for pair in stream.processor]
    seconds = [taken for stream in streams for taken in stream.seconds]
    scatter = 1.4826 * float(np.median(np.abs(ratios - np.median(ratios))))
    return {
        **asdict(streams[0].cell),
        "streams": len(streams),
        "pairs": len(ratios),
        "seconds_a_pair": median(seconds) if seconds else None,
        "slower_percent": 100 * math.expm1(float(np.median(ratios))),
        "slower_by_processor_percent": 100 * math.expm1(median(processor)) if processor else None,
        "scatter_percent": 100 * scatter,
    }


def replayed(streams: Sequence[Stream], wanted: int, draws: int) -> dict[str, list[dict[str, Any]]]:
    """Everything about one cell."""
    return {
        "recorded": [recorded(streams)],
        "rows": list(judged(streams, wanted)),
        "draws": list(drawn(streams, draws)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="A/B rules on recorded traces")
    parser.add_argument("traces", type=Path, nargs="+", help="files, and folders of files, *.jsonl.gz")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--blocks", type=int, default=100, help="comparisons a cell for all rules")
    parser.add_argument("--draws", type=int, default=10_000, help="comparisons a cell for dsbench alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()
    cells: dict[Cell, list[Stream]] = defaultdict(list)
    for stream in read(options.traces):
        cells[stream.cell].append(stream)
    result: dict[str, Any] = {"versions": {name: version(name) for name in PEERS}}
    for name in ("recorded", "rows", "draws"):
        result[name] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        work = partial(replayed, wanted=options.blocks, draws=options.draws)
        for found in pool.map(work, cells.values()):
            print(*found["recorded"], flush=True)
            for name, rows in found.items():
                result[name] += rows
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "ab.json"
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    print(path)


if __name__ == "__main__":
    main()
