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
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rules import RULES, Comparison, confirmed, screened
from traces import Cell, Stream, Turns, by_wall, log_ratio, read, slower

from dsbench.gate import Outcome
from dsbench.paired_gate import CONFIRMING, LOOKS
from dsbench.pairs import Pair

FEWEST = 60
"""Comparisons that make a cell; where streams are too short for as many blocks, their pairs are shuffled."""
INJECTED = (0.0, 0.01, 0.02, 0.05, 0.10)
PEERS = ("asv", "asv_runner", "pyperf", "pytest-benchmark")


def slowed(compared: Comparison, share: float) -> Comparison:
    """The second side scaled by a share."""
    return compared.each(lambda pairs: [(before, after * (1 + share)) for before, after in pairs])


def one_after_the_other(block: Sequence[Turns]) -> Sequence[Turns]:
    """A block of pairs whose sides did the same, as if one side had been measured before the other."""
    processes = [np.asarray(side) for pair in block for side in pair]
    half = len(processes) // 2
    return list(zip(processes[:half], processes[half:], strict=True))


def blocks(
    streams: Sequence[Stream], pairs: int, wanted: int, draw: random.Random
) -> Iterator[tuple[Comparison, list[Pair]]]:
    """Some of the blocks of so many pairs, each with the pairs that are not in it, those of other streams
    if there are enough."""
    all_of = [Comparison(stream.pairs, stream.processor) for stream in streams]
    whole = [compared.pairs for compared in all_of]
    starts = [
        (index, start)
        for index, stream in enumerate(streams)
        for start in range(len(stream.pairs) - pairs + 1)
    ]
    for index, start in draw.sample(starts, min(wanted, len(starts))):
        others = [pair for other, some in enumerate(whole) if other != index for pair in some]
        mine = whole[index][:start] + whole[index][start + pairs :]
        yield all_of[index][start : start + pairs], others if len(others) >= CONFIRMING else others + mine


def shuffled(streams: Sequence[Stream], pairs: int, wanted: int, draw: random.Random) -> Iterator[Any]:
    """So many pairs of all streams in any order, where there are enough, each time with what is left."""
    processor = [pair for stream in streams for pair in stream.processor]
    whole = [pair for stream in streams for pair in stream.pairs]
    for _ in range(wanted if len(whole) >= pairs else 0):
        order = draw.sample(range(len(whole)), len(whole))
        mixed = Comparison([whole[i] for i in order], [processor[i] for i in order] if processor else [])
        yield mixed[:pairs], mixed[pairs:].pairs


def judged(streams: Sequence[Stream], wanted: int) -> Iterator[dict[str, Any]]:
    """A row a slow-down, design, number of pairs and rule: how many comparisons it called slower."""
    cell = streams[0].cell
    draw = random.Random(0)
    for pairs in (LOOKS[0], LOOKS[-1]):
        counts: dict[tuple[str, float, str], list[int]] = defaultdict(lambda: [0, 0])

        def count(design: str, injected: float, rule: str, says: bool, into: Any = counts) -> None:
            into[design, injected, rule][0] += 1
            into[design, injected, rule][1] += says

        found = list(blocks(streams, pairs, wanted, draw))
        design = "turns"
        if len(found) < FEWEST:
            found, design = list(shuffled(streams, pairs, wanted, draw)), "shuffled"
        for block, others in found:
            for injected in (0.0,) if cell.real else INJECTED:
                compared = slowed(block, injected)
                for rule, says in RULES.items():
                    count(design, injected, rule, says(compared))
                    if design == "turns" and not cell.real:
                        after = slowed(block.each(one_after_the_other), injected)
                        count("after", injected, rule, says(after))
                if len(others) >= CONFIRMING:
                    fresh = slower(draw.sample(others, CONFIRMING), injected)
                    count(design, injected, "dsbench, confirmed", confirmed(compared.pairs, fresh))
        for (design, injected, rule), (comparisons, worse) in counts.items():
            told = {"design": design, "injected": injected, "pairs": pairs, "rule": rule}
            yield {**asdict(cell), **told, "comparisons": comparisons, "worse": worse}


def drawn(streams: Sequence[Stream], draws: int) -> Iterator[dict[str, Any]]:
    """A row a clock and slow-down: how many comparisons of pairs in any order dsbench called slower, at
    its first look, at any, and after fresh pairs. The clocks are the wall's alone, processor time alone, and
    either, which is what dsbench does."""
    cell = streams[0].cell
    either = [pair for s in streams for pair in Comparison(s.pairs, s.processor).pairs]
    processor = [replace(p, log_ratio=p.cpu_log_ratio) for p in either if p.cpu_log_ratio is not None]
    clocks = {"wall": by_wall(either), "processor": by_wall(processor), "either": either if processor else []}
    enough = {name: pairs for name, pairs in clocks.items() if len(pairs) >= LOOKS[-1] + CONFIRMING}
    draw = random.Random(0)
    for (clock, pairs), injected in product(enough.items(), (0.0,) if cell.real else INJECTED):
        # Whether a slow-down is found needs fewer draws than how rarely nothing is called one.
        wanted = draws if not cell.real + injected else draws // 10
        shifted = slower(pairs, injected)
        first = alarms = recurring = same = 0
        for _ in range(wanted):
            some = draw.sample(shifted, LOOKS[-1] + CONFIRMING)
            says = screened(some[: LOOKS[-1]]).outcome
            same += says is Outcome.SAME
            if says is Outcome.WORSE:
                alarms += 1
                first += screened(some[: LOOKS[0]]).outcome is Outcome.WORSE
                recurring += confirmed(some[: LOOKS[-1]], some[LOOKS[-1] :])
        told = {
            "clock": clock,
            "injected": injected,
            "draws": wanted,
            "same": same,
            "alarms with 12 pairs": first,
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
