"""A repository with a suite, whose revisions are built and measured."""

from __future__ import annotations

import subprocess
from pathlib import Path

SUITE = """
from dsbench.backends.fake import spend
from dsbench.registry import benchmark


def work(x):
    spend({seconds})
    return x


@benchmark(candidates={{"work": work}}, baseline="work")
def echo(device, seed):
    return {{"x": [1.0]}}
"""
MEASURE = ("--measure", "--suites", "suites", "--backend", "fake", "--timeout", "20")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(folder: Path, seconds: str) -> None:
    (folder / "suites").mkdir(exist_ok=True)
    (folder / "suites" / "echoes.py").write_text(SUITE.format(seconds=seconds))


def commit(folder: Path, subject: str) -> str:
    """Commits everything; the commit's hash."""
    git(folder, "add", "--all", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def make(folder: Path) -> Path:
    """One commit, tagged `old`, with a suite."""
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitignore").write_text(".dsbench/\n")
    write(folder, "1e-3")
    commit(folder, "first")
    git(folder, "tag", "old")
    return folder
