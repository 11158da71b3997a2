"""Which line does each way of looking blame for each kind of leak, and is it one of the step that leaks?

python scripts/experiments/leak_lines.py --backend cuda --out docs/experiments
"""

from __future__ import annotations

import argparse
import inspect
import random
from pathlib import Path
from typing import Any

import leak_cases
from measuring import device, write

from dsbench.backends import BACKENDS
from dsbench.probes.leak_origin import STEPS

SIZE = 10240


def main() -> None:
    parser = argparse.ArgumentParser(description="Lines that leak")
    parser.add_argument("--backend", default="cpu", choices=BACKENDS)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    options = parser.parse_args()
    backend = device(options.backend)
    rows: list[dict[str, Any]] = []
    for name, maker in leak_cases.LEAKS.items():
        lines, first = inspect.getsourcelines(maker)
        row: dict[str, Any] = {"step": name}
        for seen, look in backend.allocations().items():
            step = maker(backend.device, SIZE, random.Random(0))
            for _ in range(10):
                step()
            found = sorted(look(step, STEPS).items(), key=lambda item: -item[1])
            line, size = found[0] if found and found[0][1] > SIZE / 10 else ("", 0.0)
            number = int(line.rpartition(":")[2]) if "leak_cases.py:" in line else 0
            right = first <= number < first + len(lines)
            row[seen.replace(" ", "_")] = f"{'right' if right else 'wrong' if line else '-'} {size:.0f}"
        rows.append(row)
    write(rows, backend, options.out, "leak-lines")


if __name__ == "__main__":
    main()
