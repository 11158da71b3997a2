"""Faults of the gate: does whatever goes wrong while two revisions are measured get the right verdict?

Each fault is a repository of its own on the simulated device, with a revision `old`, a candidate, and two
cases: `other` has the fault, `steady` none. `dsbench gate --measure --baseline old` (or `compare`, `bisect`)
is run as a user does. Then runs are ended at random moments by SIGINT, SIGTERM and SIGKILL.

What could have failed: a wrong verdict on `other`, any change of the verdict on `steady`, a wrong exit code,
a traceback, a report that is no JSON, a pair that was reported and is not on disk, a process that outlives
the command, a working tree that is not as it was.

    python scripts/experiments/gate_faults.py --out docs/experiments
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from faults import MARK, dsbench, marked
from faulty_revisions import FAULTS, GATE, SOUND, Fault, git, repository

OPTIONS = (
    "--suites",
    "suites",
    "--backend",
    "fake",
    "--timeout",
    "5",
    "--time",
    "0",
    "--format",
    "json",
    "-v",
)
PAIR = re.compile(r"^pair (\d+): (\S+?)(?: \(.*\))?: ", re.MULTILINE)


def state(folder: Path) -> tuple[str, str, str]:
    """What must not change: the commit, what differs from it, and the suite's text."""
    suite = (folder / "suites" / "echoes.py").read_text()
    return git(folder, "rev-parse", "HEAD"), git(folder, "status", "--porcelain"), suite


def on_disk(folder: Path) -> list[tuple[str, str]]:
    """The pairs in the comparison's file: number, from 1, and case; a last line may be cut off."""
    rows = []
    for path in (folder / ".dsbench" / "comparisons").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row["type"] == "pair":
                rows.append((str(row["number"] + 1), row["case"]))
    return rows


def problems_of(folder: Path, before: tuple[str, str, str], errors: str) -> list[str]:
    """What is wrong after a command, whatever its fault was."""
    found = [f"processes are left: {left}"] if (left := marked(folder.name)) else []
    found += ["the working tree has changed"] * (state(folder) != before)
    found += ["a traceback is shown"] * ("Traceback" in errors)
    lost = set(PAIR.findall(errors)) - set(on_disk(folder))
    return found + [f"{len(lost)} reported pairs are not on disk"] * bool(lost)


def outcomes(document: str) -> dict[str, str]:
    """The outcome of each case in a JSON report, by candidate."""
    rows = json.loads(document)["verdicts"] if document else []
    return {row["case"]["candidate"]: row["outcome"] for row in rows}


def run(fault: Fault) -> dict[str, Any]:
    """One fault: what became of it, and what is wrong."""
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        repository(folder, fault)
        before = state(folder)
        done = subprocess.run(
            dsbench(*fault.command, *OPTIONS),
            cwd=folder,
            env={**os.environ, MARK: folder.name},
            capture_output=True,
            text=True,
            check=False,
        )
        problems = problems_of(folder, before, done.stderr)
        found = outcomes(done.stdout)
        wanted = {key: value for key, value in (("other", fault.other), ("steady", fault.steady)) if value}
        problems += [f"verdicts {found}, wanted {wanted}"] * (found != wanted)
        problems += [f"exit code {done.returncode}, wanted {fault.code}"] * (done.returncode != fault.code)
        told = "; ".join(
            row["reason"]
            for row in json.loads(done.stdout or '{"verdicts": []}')["verdicts"]
            if row["case"]["candidate"] == "other"
        )
        said = told or done.stderr.strip().splitlines()[-1]
        return {
            "fault": fault.name,
            "outcome": found.get("other", ""),
            "exit_code": done.returncode,
            "said": said[:160],
            "problems": problems,
        }


def ended(name: str, after: float, command: Sequence[str], amid: bool) -> dict[str, Any]:
    """One command ended by a signal after so many seconds from its start, or from its first pair on: when
    that was, and what is wrong."""
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        repository(folder, Fault("", SOUND, "spend(1.1e-3)", "", "", 0, committed=command[0] == "bisect"))
        before = state(folder)
        options = [option for option in OPTIONS if option != "-v"] if command[0] == "bisect" else OPTIONS
        with (
            (folder / ".dsbench-stderr").open("w+") as stderr,
            (folder / ".dsbench-stdout").open("w+") as out,
        ):
            process = subprocess.Popen(
                dsbench(*command, *options),
                cwd=folder,
                env={**os.environ, MARK: folder.name},
                stdout=out,
                stderr=stderr,
            )
            while amid and process.poll() is None and not on_disk(folder):
                time.sleep(0.05)
            try:
                process.wait(after)
                sent = False
            except subprocess.TimeoutExpired:
                process.send_signal(signal.Signals[name])
                sent = True
            code = process.wait(120)
        errors, text = ((folder / f).read_text() for f in (".dsbench-stderr", ".dsbench-stdout"))
        for scratch in (".dsbench-stderr", ".dsbench-stdout"):
            (folder / scratch).unlink()
        problems = problems_of(folder, before, errors)
        shown = 128 - code if code < 0 else code
        usual = 0 if command[0] == "bisect" else 1
        right = 128 + signal.Signals[name] if sent else usual
        problems += [f"exit code {shown}, wanted {right}: {errors[-200:]}"] * (shown != right)
        taken = len(on_disk(folder))
        if name != "SIGKILL" and taken and not text:
            problems.append("pairs were taken and there is no report of them")
        if text:
            json.loads(text)
        stage = "too late" if not sent else "amid pairs" if taken else "before the first pair"
        return {"signal": name, "command": command[0], "stage": stage, "pairs": taken, "problems": problems}


def main() -> None:
    parser = argparse.ArgumentParser(description="Faults while two revisions are measured")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--signals", type=int, default=10, help="commands ended by each of three signals")
    parser.add_argument("--longest", type=float, default=8.0, help="the latest, in seconds")
    parser.add_argument("--jobs", type=int, default=2, help="commands at the same time")
    options = parser.parse_args()
    # A job of a shell's background has SIGINT ignored, which its children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    draw = random.Random(0)
    commands = (GATE, GATE, ("bisect", "echo.other", "old", "HEAD"))
    plan = [
        (name, draw.uniform(0.05, options.longest), commands[number % len(commands)], number % 4 > 0)
        for name in ("SIGINT", "SIGTERM", "SIGKILL")
        for number in range(options.signals)
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        faults = list(pool.map(run, FAULTS))
        signals = list(pool.map(lambda job: ended(*job), plan))
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "gate-faults.json"
    path.write_text(json.dumps({"faults": faults, "signals": signals}, indent=1, allow_nan=False) + "\n")
    for row in faults:
        wrong = f"  WRONG: {'; '.join(row['problems'])}" if row["problems"] else ""
        print(f"{row['fault']:<32}{row['outcome']:<14}exit {row['exit_code']}{wrong}")
    for name in ("SIGINT", "SIGTERM", "SIGKILL"):
        mine = [row for row in signals if row["signal"] == name]
        amid = sum(row["stage"] == "amid pairs" for row in mine)
        right = sum(not row["problems"] for row in mine)
        print(f"{name:<10}{len(mine)} commands, {amid} amid pairs, {right} right")
        for row in mine:
            if row["problems"]:
                print(f"  {row['command']} {row['stage']}: {'; '.join(row['problems'])}")
    print(path)


if __name__ == "__main__":
    main()
