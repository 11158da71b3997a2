"""Leak detectors on the same steps: which leaks of 1 and 10 KB a step are found, and how often is there a
false alarm?

Every kind of step and detector has a process of its own, in which fresh steps are judged one after the
other. The rivals: `psleak` with its defaults (and ``PYTHONMALLOC=malloc``, which it asks for), the rule of
`pytest-memray`'s ``limit_leaks`` over 64 steps with the budget of dsbench times 64, and "it holds more at
the end than at the start" of 200 steps after as many, by the resident set and by the heap.

    pip install psleak pytest-memray
    python scripts/experiments/leaks.py --out docs/experiments
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import leak_cases
import leak_free
import psutil
from measuring import device, write

from dsbench.backends import BACKENDS, Backend
from dsbench.probes import Budget
from dsbench.probes.leak import tracing, watch
from dsbench.registry.declaring import LEAK_BUDGET
from dsbench.stats.growth import worst

SIZES = (1024, 10240)
STEPS = 64
WHILE = 200
BUDGET = Budget(max_time=0.25)


def dsbench(step: Callable[[], Any], backend: Backend) -> str:
    with tracing():
        return worst(list(watch(backend, step, BUDGET, LEAK_BUDGET).growth.values())).value


def psleak(step: Callable[[], Any], backend: Backend) -> str:
    from psleak import Checkers, MemoryLeakError, MemoryLeakTestCase

    try:
        MemoryLeakTestCase().execute(step, checkers=Checkers.only("memory"))
    except MemoryLeakError:
        return "leak"
    return "clean"


def limit_leaks(step: Callable[[], Any], backend: Backend) -> str:
    import memray

    for _ in range(10):
        step()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "steps.bin"
        gc.collect()
        with memray.Tracker(file):
            for _ in range(STEPS):
                step()
        records = memray.FileReader(file).get_leaked_allocation_records()
        return "leak" if any(record.size >= LEAK_BUDGET * STEPS for record in records) else "clean"


def more_resident(step: Callable[[], Any], backend: Backend) -> str:
    return _more(step, lambda: psutil.Process().memory_info().rss)


def more_heap(step: Callable[[], Any], backend: Backend) -> str:
    return _more(step, lambda: sum(psutil.heap_info()[:2]))


def _more(step: Callable[[], Any], held: Callable[[], int]) -> str:
    for _ in range(WHILE):
        step()
    before = held()
    for _ in range(WHILE):
        step()
    return "leak" if held() > before else "clean"


DETECTORS = {call.__name__: call for call in (dsbench, psleak, limit_leaks, more_resident, more_heap)}


def kind_of(case: str) -> str:
    return "leak" if case in leak_cases.LEAKS else "cache" if case in leak_cases.CACHES else "clean"


def one(detector: str, case: str, repeats: int, backend_name: str) -> None:
    """In a process of its own: what a detector says of a kind of step, a line of JSON each."""
    backend = device(backend_name)
    maker = {**leak_cases.LEAKS, **leak_cases.CACHES, **leak_free.CLEAN}[case]
    for size in SIZES if kind_of(case) == "leak" else SIZES[:1]:
        for seed in range(repeats):
            backend.prepare(seed)
            step = maker(backend.device, size, random.Random(seed))
            said = DETECTORS[detector](step, backend)
            print(json.dumps({"size": size, "said": said}), flush=True)
            del step
            gc.collect()


def judged(detector: str, case: str, repeats: int, backend: str) -> dict[str, Any]:
    """A row: how often a detector said what of a kind of step."""
    command = [
        sys.executable,
        __file__,
        "--one",
        detector,
        case,
        "--repeats",
        str(repeats),
        "--backend",
        backend,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if detector == "psleak":
        environment["PYTHONMALLOC"] = "malloc"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = Counter(json.loads(line)["said"] for line in done.stdout.splitlines() if line.startswith("{"))
    if done.returncode:
        print(f"{detector} on {case} failed: {(done.stderr.splitlines() or ['?'])[-1]}", file=sys.stderr)
    print(f"{detector} {case}: {dict(said)}", file=sys.stderr, flush=True)
    row = {"detector": detector, "kind": kind_of(case), "step": case, "of": said.total()}
    return {**row, **{word: said[word] for word in ("leak", "unknown", "clean")}}


def main() -> None:
    parser = argparse.ArgumentParser(description="Leak detectors")
    parser.add_argument("--backend", default="cpu", choices=BACKENDS)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--repeats", type=int, default=5, help="fresh steps of each leak, size and detector")
    parser.add_argument("--clean", type=int, default=20, help="fresh steps of each clean kind, for dsbench")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS), choices=DETECTORS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one, options.repeats, options.backend)
        return
    asked = []
    for detector in options.detectors:
        repeats = {
            "leak": options.repeats,
            "cache": 2 * options.repeats,
            "clean": options.clean if detector == "dsbench" else options.repeats,
        }
        every = (*leak_cases.LEAKS, *leak_cases.CACHES, *leak_free.CLEAN)
        asked += [(detector, case, repeats[kind_of(case)], options.backend) for case in every]
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda question: judged(*question), asked))
    write(rows, device(options.backend), options.out, "leaks")


if __name__ == "__main__":
    main()
