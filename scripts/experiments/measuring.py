"""What the experiments share: dsbench's latency probe on any call, and results on disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from dsbench.backends import BACKENDS, Backend
from dsbench.environment import capture
from dsbench.probes import Budget, Latency, Prepared, Workload
from dsbench.registry import Candidate, benchmark


def device(name: str) -> Backend:
    """The first device of a backend, or the end of the script."""
    found = BACKENDS[name].availability()
    if not found.usable:
        sys.exit(f"error: {found.reason}")
    backend = BACKENDS[name](0)
    backend.prepare(seed=0)
    return backend


def latency(call: Callable[[], Any], backend: Backend, budget: Budget) -> dict[str, float]:
    """The median of each kind of reading in seconds, as one round of `dsbench run` takes them."""

    def inputs(device: str, seed: int) -> dict[str, Any]:
        del device, seed
        return {}

    declared = benchmark(candidates={"call": Candidate(call)}, baseline="call")(inputs)
    (case,) = declared.cases(backend.name, quick=False)
    timing = Latency(Prepared(case, Workload(declared, case, backend, seed=0), 0, call), budget)
    while not timing.done:
        timing.turn()
    readings = timing.measurement().readings
    return {name: median(sample.value for sample in samples) for name, samples in readings.items()}


def write(rows: list[dict[str, Any]], backend: Backend, out: Path, name: str) -> None:
    """Keeps an experiment's rows with where they come from, and prints them as a table."""
    environment = capture(backend).to_json()
    facts = ("machine", "device", "os", "cpu", "cores", "python", "versions")
    kept = {fact: environment[fact] for fact in facts}
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}-{backend.name}.json"
    path.write_text(json.dumps({"environment": kept, "rows": rows}, indent=1, allow_nan=False) + "\n")
    columns = [column for column, value in rows[0].items() if not isinstance(value, list)]
    table = [columns, *([_shown(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        print("  ".join(part.rjust(width) for part, width in zip(line, widths, strict=True)))
    print(path)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
