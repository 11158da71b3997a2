"""Overhead: how many CPU seconds does a run cost besides what it measures, beside asv on the same work?

1, 10 and 50 benchmarks that each add one to 16 numbers with torch are declared twice in a throw-away git
repository, for asv and for dsbench, each in the way its documentation teaches: asv's file imports torch at
its top, dsbench's suite names a function of a module that does. `asv run` (asv 0.6, its own defaults: two
processes a benchmark) then takes turns with `dsbench run` in its default settings, with ``--quick``, and with
that in as many processes a benchmark as asv starts (``--rounds 2``). What counts is the processor time of the
whole tree of processes, user and system.

Beside the figures stands what was declared, and the last-level cache: dsbench flushes twice its size for a
cold reading of each case and round.

What could have failed: at 50 benchmarks dsbench is to cost at most a tenth of what asv costs. It shares
a process among the cases of a suite and asv does not, so it fails when a case itself costs too much.

    python scripts/experiments/overhead.py --out docs/experiments
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dsbench.backends.host import last_level_cache, processor_name

COUNTS = (1, 10, 50)
TARGET = 10.0
"""How many times fewer CPU seconds than asv, at the largest count."""

ASV_HEAD = """import torch

X = torch.zeros(16)
"""
ASV_BENCHMARK = """

def time_add_{number:02}():
    X.add(1)
"""
DSBENCH_HEAD = """from dsbench.registry import benchmark
"""
DSBENCH_BENCHMARK = """

@benchmark(candidates={{"torch": "_models:add"}}, baseline="torch")
def add_{number:02}(device, seed):
    import torch

    return {{"x": torch.zeros(16, device=device)}}
"""
DSBENCH_MODELS = """import torch


def add(x):
    return x.add(1)
"""
ASV_CONFIGURATION = {
    "version": 1,
    "project": "overhead",
    "repo": ".",
    "branches": ["main"],
    "environment_type": "existing",
    "benchmark_dir": "asv_benchmarks",
    "results_dir": "asv_results",
}
MODES = {
    "dsbench run": (),
    "dsbench run --quick": ("--quick",),
    "dsbench run --quick --rounds 2": ("--quick", "--rounds", "2"),
}


def command(line: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Runs a command to its end; CPU seconds of all its processes, and seconds.

    Raises:
        SystemExit: it failed; what it printed is shown.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"error: {' '.join(line)} left with {done.returncode}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds


def declare(folder: Path, count: int, environment: Mapping[str, str]) -> str:
    """Makes the repository with both declarations of so many benchmarks; its only commit."""
    for name, head, text in (
        ("asv_benchmarks", ASV_HEAD, ASV_BENCHMARK),
        ("suites", DSBENCH_HEAD, DSBENCH_BENCHMARK),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        parts = [head, *(text.format(number=number) for number in range(count))]
        (folder / name / "trivial.py").write_text("".join(parts))
    (folder / "suites" / "_models.py").write_text(DSBENCH_MODELS)
    (folder / "asv.conf.json").write_text(json.dumps(ASV_CONFIGURATION))
    identity = ("-c", "user.name=overhead", "-c", "user.email=overhead@example.invalid")
    for arguments in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-q", "-m", "all")):
        command(("git", *arguments), folder, environment)
    return subprocess.check_output(
        ("git", "rev-parse", "HEAD"), cwd=folder, env=environment, text=True
    ).strip()


def measure(folder: Path, count: int, tools: Sequence[str]) -> list[dict[str, Any]]:
    """The cost of each tool for so many benchmarks, in a repository and a home of its own."""
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {**os.environ, "HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull}
    work = folder / "work"
    commit = declare(work, count, environment)
    asv = (sys.executable, "-m", "asv")
    command((*asv, "machine", "--yes"), work, environment)
    existing = f"existing:{sys.executable}"
    lines = {"asv run": (*asv, "run", "-E", existing, "--set-commit-hash", commit, "--show-stderr")}
    ours = (sys.executable, "-m", "dsbench", "run", "--suites", "suites", "--backend", "cpu")
    lines |= {tool: (*ours, *options) for tool, options in MODES.items()}
    rows = []
    for tool in tools:
        cpu, seconds = command(lines[tool], work, environment)
        print(f"{count} benchmarks, {tool}: {cpu:.1f} CPU s in {seconds:.1f} s", file=sys.stderr, flush=True)
        rows.append({"benchmarks": count, "tool": tool, "cpu_s": round(cpu, 2)})
    measured = sum(
        len(found["result_columns"]) and len(found["results"])
        for path in (work / "asv_results").glob("*/*-*.json")
        for found in [json.loads(path.read_text())]
    )
    if "asv run" in tools and measured != count:
        sys.exit(f"error: asv measured {measured} of {count} benchmarks")
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a number of benchmarks and a column a tool, in Markdown, as METHODOLOGY.md shows them."""
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    lines = [
        f"| benchmarks | {' | '.join(f'`{tool}`' for tool in tools)} |",
        "| --- " * (len(tools) + 1) + "|",
    ]
    for count in dict.fromkeys(row["benchmarks"] for row in rows):
        cells = [
            f"{row['cpu_s']:.1f} s" + (f" ({row['times_less']}×)" if row["tool"] in MODES else "")
            for row in rows
            if row["benchmarks"] == count
        ]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Overhead beside asv")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of benchmarks")
    parser.add_argument("--tools", nargs="+", default=("asv run", *MODES), help="which commands to run")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for count in options.counts:
        with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
            rows += measure(Path(folder), count, options.tools)
    asv = {row["benchmarks"]: row["cpu_s"] for row in rows if row["tool"] == "asv run"}
    for row in rows:
        row["times_less"] = round(asv[row["benchmarks"]] / row["cpu_s"], 1) if asv else None
    most = max(options.counts)
    result = {
        "versions": {name: version(name) for name in ("asv", "dsbench", "torch")},
        "cores": len(os.sched_getaffinity(0)),
        "cpu": processor_name(),
        "cache": last_level_cache(),
        "load": os.getloadavg()[0],
        "declared": {"asv": ASV_HEAD + ASV_BENCHMARK, "dsbench": DSBENCH_HEAD + DSBENCH_BENCHMARK},
        "target": TARGET,
        "reached": {
            row["tool"]: row["times_less"] >= TARGET
            for row in rows
            if asv and row["benchmarks"] == most and row["tool"] in MODES
        },
        "rows": rows,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "overhead.json"
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    print(table(rows))
    print(path)


if __name__ == "__main__":
    main()
