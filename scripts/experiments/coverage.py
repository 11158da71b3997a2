"""Coverage: how often does the stated 95 % interval hold the long-run value?

Twelve operators are measured in many rounds by `dsbench run`. Rounds that follow each other are put together
to measurements of three; each has its interval by the formula of every report. The long-run value of an
operator is the median of the medians of all its rounds. Of 200 measurements or more, 93–97 % should hold
it, on a quiet machine and beside a noisy neighbour, who works for random times on the same device.

The same rounds are also put together by lot, many times over: where that covers more, what is missing is
drift over minutes, which no three rounds in a row can know of.

    python scripts/experiments/coverage.py --backend cpu --neighbour off --out docs/experiments
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from measuring import device, write
from neighbour import neighbour

from dsbench.metrics import numbered
from dsbench.records import Run
from dsbench.stats.intervals import Estimate, of_rounds

TOGETHER = 3
LOTS = 200
SUITES = Path(__file__).resolve().parent / "suites"


def measured(backend: str, rounds: int, min_time: float) -> Run:
    """The run that `dsbench run` writes, with the operators in so many rounds."""
    options = ("--backend", backend, "--rounds", str(rounds), "--min-time", str(min_time), "--no-record")
    command = [sys.executable, "-m", "dsbench", "run", "operators", "--suites", str(SUITES), *options]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        (path,) = (Path(folder) / ".dsbench" / "runs").glob("*.jsonl")
        return Run.from_lines(path.read_text().splitlines())


def covered(run: Run) -> list[dict[str, Any]]:
    """A row an operator and reading: how many of its measurements hold the long-run value."""
    rows = []
    for measurement in run.measurements:
        for reading in ("latency", "latency_cold"):
            rounds = list(numbered(measurement.readings.get(reading, ())).values())
            if not rounds:
                continue
            truth = median(median(values) for values in rounds)
            intervals = measurements(rounds)
            width = median(found.half_width or 0.0 for found in intervals)
            lots = [
                held(truth, measurements(draw.sample(rounds, len(rounds)))) / len(intervals)
                for draw in [random.Random(0)]
                for _ in range(LOTS)
            ]
            rows.append(
                {
                    "operator": measurement.case.candidate,
                    "reading": reading,
                    "long_run_us": truth * 1e6,
                    "measurements": len(intervals),
                    "held": held(truth, intervals),
                    "by_lot_percent": 100 * fmean(lots),
                    "half_width_percent": 100 * width,
                    "rounds_us": [round(median(values) * 1e6, 4) for values in rounds],
                }
            )
    return rows


def measurements(rounds: Sequence[Sequence[float]]) -> list[Estimate]:
    """What rounds that follow each other say, three at a time."""
    starts = range(0, len(rounds) - TOGETHER + 1, TOGETHER)
    return [of_rounds(rounds[start : start + TOGETHER]) for start in starts]


def held(truth: float, intervals: Sequence[Estimate]) -> int:
    """How many intervals hold the long-run value."""
    return sum(found.low <= truth <= found.high for found in intervals)  # type: ignore[operator]


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the stated intervals")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--rounds", type=int, default=51)
    parser.add_argument("--min-time", type=float, default=0.03)
    parser.add_argument("--neighbour", choices=("on", "off"), default="off")
    options = parser.parse_args()
    backend = device(options.backend)
    with neighbour(backend.device, options.neighbour == "on"):
        rows = covered(measured(options.backend, options.rounds, options.min_time))
    for reading in ("latency", "latency_cold"):
        mine = [row for row in rows if row["reading"] == reading]
        good, total = (sum(row[key] for row in mine) for key in ("held", "measurements"))
        widths = [row["half_width_percent"] for row in mine]
        rows.append(
            {
                "operator": "all",
                "reading": reading,
                "long_run_us": 0.0,
                "measurements": total,
                "held": good,
                "by_lot_percent": fmean(row["by_lot_percent"] for row in mine),
                "half_width_percent": median(widths),
                "rounds_us": [],
            }
        )
        print(json.dumps({reading: f"{good} of {total}", "share": round(good / total, 4)}))
    write(rows, backend, options.out, f"coverage-neighbour-{options.neighbour}")


if __name__ == "__main__":
    main()
