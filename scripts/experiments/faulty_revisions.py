"""Revisions with a fault: what goes wrong in each, and the verdicts and the exit code that are right."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SUITE = """
import os
import time

from dsbench.backends import fake
from dsbench.backends.fake import spend
from dsbench.registry import benchmark

calls = []


def steady(x):
    spend(1e-3)
    return x


def other(x):
    calls.append(0)
    {body}
    return x


def right(x):
    return x


@benchmark(candidates={{"steady": steady, "other": other}}, baseline="steady", oracle=right)
def echo(device, seed):
    return {{"x": [1.0]}}
"""
SOUND = "spend(1e-3)"
BUILD = '[build-system]\nrequires = []\nbuild-backend = "nothing"\nbackend-path = ["."]\n'
GATE = ("gate", "--measure", "--baseline", "old")


@dataclass(frozen=True)
class Fault:
    """What `other` does at the revision `old` and in the candidate; the outcomes of both cases and the exit
    code that are right. `build` is the candidate's pyproject.toml, and `committed` says that it is a commit,
    not changes of the working tree."""

    name: str
    old: str
    new: str
    other: str
    steady: str
    code: int
    command: tuple[str, ...] = GATE
    build: str = ""
    committed: bool = False


FAULTS = (
    Fault("crash on B", SOUND, "os.abort()", "broken", "same", 3),
    Fault("killed on B", SOUND, "os.kill(os.getpid(), 9)", "broken", "same", 3),
    Fault("crash on A", "os.abort()", SOUND, "new", "same", 0),
    Fault("crash on both", "os.abort()", "os.abort()", "inconclusive", "same", 0),
    Fault("crash of B's 40th call", SOUND, "len(calls) < 40 or os.abort(); spend(1e-3)", "broken", "same", 3),
    Fault("B never finishes", SOUND, "time.sleep(600)", "broken", "same", 3),
    Fault("wrong on B", SOUND, "spend(1e-3); x = [2.0]", "broken", "same", 3),
    Fault("B's suite cannot be imported", SOUND, "return", "missing", "missing", 4),
    Fault(
        "B cannot be built",
        SOUND,
        SOUND,
        "unbuilt",
        "unbuilt",
        3,
        ("compare", "old", "HEAD", "--measure"),
        BUILD,
        committed=True,
    ),
    Fault("no such revision", SOUND, SOUND, "", "", 2, ("gate", "--measure", "--baseline", "nowhere")),
    Fault("no such revision to compare", SOUND, SOUND, "", "", 2, ("compare", "old", "nowhere", "--measure")),
    Fault("dirty tree, slower", SOUND, "spend(1.1e-3)", "worse", "same", 1),
    Fault("dirty tree, the same", SOUND, SOUND + "  # changed", "same", "same", 0),
    Fault(
        "clock jumps an hour on, once",
        SOUND,
        "fake.jump(3600 * (len(calls) == 50)); spend(1e-3)",
        "same",
        "same",
        0,
    ),
    Fault(
        "clock jumps an hour back, once",
        SOUND,
        "fake.jump(-3600 * (len(calls) == 50)); spend(1e-3)",
        "same",
        "same",
        0,
    ),
    Fault(
        "clock runs backwards", SOUND, "fake.jump(-2 * (len(calls) > 60)); spend(1e-3)", "broken", "same", 3
    ),
)


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=faults", "-c", "user.email=faults@example.invalid")
    done = subprocess.run(
        ("git", *author, *arguments), cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def repository(folder: Path, fault: Fault) -> None:
    """A repository with the revision `old`, and the candidate on top of it."""
    suite = folder / "suites" / "echoes.py"
    suite.parent.mkdir()
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text(".dsbench/\n")
    suite.write_text(SUITE.format(body=fault.old))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "old")
    git(folder, "tag", "old")
    broken = "import no_such_module" if "imported" in fault.name else ""
    suite.write_text(broken + SUITE.format(body=fault.new))
    if fault.build:
        (folder / "pyproject.toml").write_text(fault.build)
    if fault.committed:
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "new")
