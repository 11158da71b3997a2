"""Recorded runs for tests, and a repository with a history of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from make_runs import a_run, an_environment, around, measured

from dsbench.records import Case, Measurement, Run

STEM = "1a2b3c4d-dsbench-fake-py3.12"
"""What the files of a made-up run are called, but for their endings."""


def timed(candidate: str = "flash", benchmark: str = "prefill", **point: int) -> Measurement:
    case = Case("attention", benchmark, candidate, tuple(point.items()))
    return measured(case, "latency", {"latency": around(1e-3)})


def made(*measurements: Measurement, name: str = "r1", machine: str = "m1", **where: Any) -> Run:
    return a_run(measurements, id=name, environment=an_environment(machine=machine, **where))


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


def strict(path: Path) -> Any:
    """Reads JSON, and neither NaN nor Infinity."""
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def files(folder: Path) -> dict[str, bytes]:
    """Everything that asv or git would see below a folder."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".dsbench" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@dataclass(frozen=True)
class World:
    """A repository, what was recorded of its commits, and the site made of it."""

    repo: Path
    results: Path
    html: Path
    home: Path
    commits: tuple[str, ...]

    def asv(self, *arguments: str) -> str:
        """What asv says, run in the repository, with parameters unquoted."""
        command = [sys.executable, "-m", "asv", *arguments]
        done = subprocess.run(command, cwd=self.repo, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.replace("'", "")

    def graph(self, benchmark: str, *parts: str) -> list[list[Any]]:
        """The published points of a benchmark: a revision, and a value for each set of parameters."""
        (path,) = (
            path
            for path in (self.html / "graphs").rglob(f"{benchmark}.json")
            if set(parts) <= set(path.relative_to(self.html).parts)
        )
        return list(strict(path))


def git(repo: Path, *arguments: str, date: str = "") -> str:
    """What git says; commits are made on a date, by nobody."""
    who = {f"GIT_{role}_{what}": "nobody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **who, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    command = ["git", "-C", str(repo), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()
