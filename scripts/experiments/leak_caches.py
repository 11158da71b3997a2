"""How often does the rule of the probe `leak` take a cache that fills for a leak? By its size and the steps.

Simulated: each step asks for one of so many keys at random and keeps 10 kB for a new one; 64 blocks of steps
are judged as the probe judges its last look. What was expected: never, as on the CPU, where blocks have 32
steps.

    python scripts/experiments/leak_caches.py --out docs/experiments
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

from measuring import device, write

from dsbench.probes.leak import WARM_UP
from dsbench.stats.growth import LOOKS, Word, judge

SIZE, BUDGET = 10_000, 256.0
"""Bytes of an entry, and bytes a step that are no leak."""


def filling(keys: int, steps: int, draw: Random) -> Word:
    """The verdict on a cache of so many keys after the last look's blocks."""
    held = {draw.randrange(keys) for _ in range(WARM_UP)}
    minima: list[float] = []
    for _ in range(LOOKS[-1]):
        for step in range(steps):
            held.add(draw.randrange(keys))
            if step == 0:
                minima.append(float(SIZE * len(held)))
    return judge(minima, steps, BUDGET).word


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    rows = []
    for keys in (200, 1000, 5000):
        for steps in (4, 8, 16, 32):
            words = [filling(keys, steps, Random(seed)) for seed in range(options.repeats)]
            counts = {word.value: words.count(word) for word in Word}
            rows.append({"keys": keys, "steps": steps, "of": options.repeats, **counts})
    write(rows, device("cpu"), options.out, "leak-caches")


if __name__ == "__main__":
    main()
