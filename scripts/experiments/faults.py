"""Faults: what is lost when a candidate takes its process down, or when someone ends dsbench itself?

First every candidate of `failing` (a segmentation fault, an endless loop that prints, memory that is
not there, 2,000 threads, 100 MB of output and so on) is measured beside one that is right. Then short
runs on the simulated device are ended at random moments, from the start of the interpreter to the last
line: by SIGKILL at least a hundred times, by SIGINT and by SIGTERM.

What could have failed: a fault costs another case its numbers or has the wrong status; a case that was
reported as done is not in the run's file; a process outlives the run; `dsbench run --resume` does not
finish it, measures a case twice or again; the history stays locked; an exit code is wrong.

    python scripts/experiments/faults.py --out docs/experiments
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from dsbench import runs
from dsbench.records import Measurement

SUITES = Path(__file__).resolve().parent / "suites"
MARK = "DSBENCH_EXPERIMENT"
"""Environment variable by which the processes of one run are found again."""

EXPECTED = {
    "right": "ok",
    "flood": "ok",
    "segfault": "crashed",
    "abort": "crashed",
    "leave": "crashed",
    "hang_printing": "timeout",
    "ignore_sigterm": "timeout",
    "exception": "error",
    "thread_bomb": "error",
    "host_memory": "oom",
    "host_memory_limit": "oom",
}
DONE = re.compile(r"^\[\d+/\d+\] (\S+) round (\d+)/", re.MULTILINE)
CASES = {(f"lasting.lasting.{name}[N={n}]", r) for name in ("slow", "fast") for n in range(6) for r in (0, 1)}
PATIENCE = 15.0
"""Seconds within which a run's processes have to be gone."""


def dsbench(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dsbench", *arguments]


def marked(mark: str) -> list[int]:
    """The processes that still belong to a run, after waiting for them to go."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def failing(backend: str, folder: Path) -> list[dict[str, Any]]:
    """One run of every fault: what became of each."""
    mark = folder.name
    options = ("--backend", backend, "--rounds", "2", "--min-time", "0.01", "--timeout", "10", "--no-record")
    done = subprocess.run(
        dsbench("run", "failing", "--suites", str(SUITES), *options),
        cwd=folder,
        env={**os.environ, MARK: mark},
        capture_output=True,
        check=False,
    )
    left = marked(mark)
    (path,) = runs.paths(folder / ".dsbench")
    rows = []
    for found in runs.read(path).measurements:
        rounds = {sample.round for samples in found.readings.values() for sample in samples}
        expected = EXPECTED[found.case.candidate]
        whole = expected != "ok" or rounds == {0, 1}
        passed = found.status == expected and whole and done.returncode == 3 and not left
        row = {"backend": backend, "fault": found.case.candidate, "status": str(found.status)}
        rows.append({**row, "reason": found.reason[:80], "passed": passed})
    return rows


def recorded(path: Path) -> Counter[tuple[str, int]]:
    """How often each case of each round is in a run's file."""
    found: Counter[tuple[str, int]] = Counter()
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if row["type"] == "measurement":
            measurement = Measurement.from_json(row)
            numbers = {s.round for samples in measurement.readings.values() for s in samples}
            found.update((measurement.case.name, number) for number in numbers)
    return found


def interrupted(name: str, after: float, folder: Path) -> dict[str, Any]:
    """Ends one run by a signal after so many seconds, then resumes it: when that was, and what is wrong."""
    subprocess.run(("git", "init", "-q"), cwd=folder, check=True)
    author = ("-c", "user.name=faults", "-c", "user.email=faults@example.invalid")
    subprocess.run(("git", *author, "commit", "-q", "--allow-empty", "-m", "x"), cwd=folder, check=True)
    environment = {**os.environ, MARK: folder.name}
    options = ("--backend", "fake", "--rounds", "2", "--min-time", "0.01", "--record")
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            dsbench("run", "lasting", "--suites", str(SUITES), *options),
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            process.wait(after)
            sent = False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.Signals[name])
            sent = True
        code = process.wait(60)
    told = (folder / "stderr").read_text()
    reported = {(case, int(number) - 1) for case, number in DONE.findall(told)}
    problems = [f"processes are left: {left}"] if (left := marked(folder.name)) else []
    # A shell shows death by a signal as 128 and its number.
    shown = 128 - code if code < 0 else code
    if shown != (128 + signal.Signals[name] if sent else 0):
        problems.append(f"exit code {code}: {told.strip().splitlines()[-1:]}")
    found = runs.paths(folder / ".dsbench")
    before = recorded(found[0]) if found else Counter()
    problems += [f"{len(reported - set(before))} finished cases are not on disk"] * bool(
        reported - set(before)
    )
    unfinished = bool(found) and runs.read(found[0]).ended is None
    again = subprocess.run(
        dsbench("run", "--resume", "--record"),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if again.returncode != (0 if unfinished else 4):
        problems.append(f"--resume left with {again.returncode}: {again.stderr.strip().splitlines()[-1:]}")
    repeated = {(case, int(number) - 1) for case, number in DONE.findall(again.stderr)} & set(before)
    problems += [f"{len(repeated)} finished cases were measured again"] * bool(repeated)
    if found and recorded(found[0]) != Counter(CASES):
        problems.append("the resumed run does not hold every case once a round")
    problems += [f"processes are left: {left}"] if (left := marked(folder.name)) else []
    try:
        if (folder / "results" / ".dsbench").is_dir():
            with FileLock(folder / "results" / ".dsbench" / "lock", timeout=0):
                pass
    except Timeout:
        problems.append("the history is locked")
    stage = "too late" if not sent else "before" if not found else "amid" if unfinished else "after"
    return {
        "signal": name,
        "stage": stage,
        "finished": len(before),
        "after_s": round(after, 2),
        "problems": problems,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Faults of candidates and of dsbench's own process")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--kills", type=int, default=100, help="runs ended by SIGKILL")
    parser.add_argument(
        "--signals", type=int, default=30, help="runs ended by SIGINT, and as many by SIGTERM"
    )
    parser.add_argument(
        "--longest", type=float, default=5.0, help="seconds after which a run is ended at last"
    )
    parser.add_argument("--jobs", type=int, default=3, help="runs at the same time")
    options = parser.parse_args()
    # A job of a shell's background has SIGINT ignored, which its children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    draw = random.Random(0)
    plan = ["SIGKILL"] * options.kills + ["SIGINT", "SIGTERM"] * options.signals
    moments = [(name, draw.uniform(0.05, options.longest)) for name in plan]

    def one(job: tuple[str, float]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
            return interrupted(*job, Path(folder))

    faults: list[dict[str, Any]] = []
    for backend in ("fake", "cpu"):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            faults += failing(backend, Path(folder))
    with ThreadPoolExecutor(options.jobs) as pool:
        ended = list(pool.map(one, moments))
    rows = []
    for name in dict.fromkeys(plan):
        mine = [row for row in ended if row["signal"] == name]
        stages = Counter(row["stage"] for row in mine)
        passed = sum(not row["problems"] for row in mine)
        places = {stage: stages[stage] for stage in ("before", "amid", "after", "too late")}
        rows.append({"signal": name, "runs": len(mine), **places, "passed": passed})
    problems = [row for row in ended if row["problems"]]
    result = {"faults": faults, "interruptions": rows, "problems": problems}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "faults.json"
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    for row in problems:
        print(f"{row['signal']} after {row['after_s']} s ({row['stage']}): {'; '.join(row['problems'])}")
    print(f"{'fault':<20}{'fake':>10}{'cpu':>10}")
    for fault in EXPECTED:
        shown = [f"{r['status']}{'' if r['passed'] else ' !'}" for r in faults if r["fault"] == fault]
        print(f"{fault:<20}" + "".join(f"{status:>10}" for status in shown))
    print(f"{'ended by':<20}{'runs':>6}{'before':>8}{'amid':>6}{'after':>7}{'too late':>10}{'passed':>8}")
    for row in rows:
        print("{signal:<20}{runs:>6}{before:>8}{amid:>6}{after:>7}{too late:>10}{passed:>8}".format(**row))
    print(path)


if __name__ == "__main__":
    main()
