"""Records two sides in pairs of fresh processes that take turns, for `replay.py` to let rules judge.

Pairs are those of `dsbench compare --measure`, with every turn kept. What the two sides do is in `sides/`: of
each kernel the same work, and on the second side 2 % and 5 % more of it, for real. One call records one
stream, on one core; streams on other cores may be recorded beside it (`scripts/record_ab.sh`).

The first line of a stream says where it comes from. Each other one is a pair and case, with the seconds of
the stream when the processes were started and when the last turn was over.

    python scripts/experiments/record.py stream.jsonl.gz --cores 0 --pairs 24 --limit 300
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import time
from pathlib import Path
from typing import Any

from measuring import device
from neighbour import neighbour

from dsbench.environment import capture
from dsbench.pairs import Pairing, Side, measure_pair
from dsbench.records import Case, dump

SIDES = Path(__file__).resolve().parent / "sides"
ROOT = SIDES.parents[2]
SHARES = ("same", "two", "five")
"""The candidates of each kernel: by how many percent the second side does more."""


def origin(options: argparse.Namespace) -> dict[str, Any]:
    """What the readings of a stream depend on."""
    backend = device(options.backend)
    environment = capture(backend).to_json()
    facts = ("machine", "device", "os", "cpu", "cores", "python", "versions")
    return {
        "type": "stream",
        **{fact: environment[fact] for fact in facts},
        "backend": options.backend,
        "affinity": options.cores,
        "neighbour": options.neighbour == "on",
        "started": time.time(),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Records pairs of processes, turn by turn")
    parser.add_argument("out", type=Path, help="file to write, *.jsonl.gz")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument(
        "--cores", type=int, nargs="+", default=[], help="keep both sides, and a neighbour on the CPU, there"
    )
    parser.add_argument("--neighbour", choices=("on", "off"), default="off")
    parser.add_argument("--kernels", nargs="+", default=["matmul", "loop", "softmax"])
    parser.add_argument("--pairs", type=int, default=24, help="pairs of processes at most")
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds at most")
    options = parser.parse_args()

    sides = tuple(Side(name, SIDES, (str(SIDES / name), str(ROOT))) for name in ("before", "after"))
    cases = [Case("kernels", kernel, share) for kernel in options.kernels for share in SHARES]
    cores = tuple(options.cores)
    pairing = Pairing(options.backend, seed=sum(cores), affinity=cores)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    where = () if options.backend == "cuda" else cores  # one on the device must not take the host's time
    with gzip.open(options.out, "wt") as out, neighbour(options.backend, options.neighbour == "on", where):
        print(dump(origin(options)), file=out)
        began, start, longest, number = time.monotonic(), 0.0, 0.0, 0
        # A pair that would outlast the limit is not begun.
        while number < options.pairs and start + longest <= options.limit:
            for pair in measure_pair(sides, cases, number, pairing):
                if pair.problems:
                    sys.exit(f"error: {pair.case}: {dict(pair.problems)}")
                print(dump({**pair.to_json(), "start": start, "at": time.monotonic() - began}), file=out)
            end = time.monotonic() - began
            start, longest, number = end, max(longest, end - start), number + 1
    print(f"{options.out}: {number} pairs of processes in {start:.0f} s")


if __name__ == "__main__":
    main()
