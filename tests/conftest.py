"""What tests share: a folder of their own, and the command line run in it."""

from __future__ import annotations

import os

# Before anything imports torch: its second thread only spins on tensors as small as these, which costs five
# times the processor time and slows whatever runs beside these tests down (`make test` starts two processes).
os.environ["OMP_NUM_THREADS"] = "1"

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from project_rigs import make

from dsbench.cli import main

# A shell that starts tests in the background has them ignore Ctrl-C, and what they start, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

SUITES = Path(__file__).parent / "suites"

OWN_MEMORY = ("test_held.py", "test_backends.py", "test_host.py", "test_leak.py", "test_leak_lines.py")
"""Tests that look at the memory of this very process."""


LONGEST = ("test_workflows.py", "test_gate_measured.py", "test_docs.py")
"""Files that take longest, each of which one process runs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the former first: a thousand other tests leave a heap behind that gives memory back when it likes.
    The latter come next, so that at the end no process waits long for another."""
    first = [*OWN_MEMORY, *LONGEST]
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dsbench(folder: Path) -> Callable[..., Result]:
    """Runs `dsbench` in an empty working folder and gives its output and exit code."""
    runner = CliRunner()

    def invoke(*arguments: str | Path) -> Result:
        result = runner.invoke(main, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def repository(folder: Path) -> Callable[[str], str]:
    """Makes the working folder a git repository; each call commits something and gives its hash."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
        done = subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")

    def commit(subject: str) -> str:
        (folder / "code.txt").write_text(subject)
        git("add", "code.txt")
        git("commit", "--quiet", "-m", subject)
        return git("rev-parse", "HEAD")

    return commit


@pytest.fixture
def project(folder: Path) -> Path:
    """The working folder as a repository with one commit, tagged `old`, and a suite."""
    return make(folder)
