"""From a revision's name to a side that can be measured: its files, its modules, its suites.

A git revision is checked out to a worktree of its own and installed from it, without its dependencies, into
a folder beside; both are kept by commit, so that a revision is built once. What it depends on comes from
the environment that dsbench runs in, as dsbench itself does, so that both sides share it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import dsbench
from dsbench.environment import commit_of, is_ancestor
from dsbench.pairs import Side

WORKING_TREE = "."


class RevisionError(Exception):
    """There is no such revision."""


class BuildError(Exception):
    """A revision is there and cannot be built; the message is the last line of what the tool said."""


def build(name: str, suites: Path, state: Path, repository: Path) -> Side:
    """Makes a side ready.

    Args:
        name: a git revision, ``.`` for the working tree as it is, or a requirement such as ``name==1.2``.
        suites: the folder of suites; inside the repository, each revision's own is taken.
        state: where worktrees and installed packages are kept.
        repository: any folder of the git repository.

    Raises:
        RevisionError: it names nothing.
        BuildError: checking out or installing failed.
    """
    ours = _only_dsbench(state)
    if name == WORKING_TREE:
        return Side(name, suites, (ours, str(repository.resolve())))
    if "==" in name:
        place = state / "builds" / name.replace("/", "_")
        _install([name], place)
        return Side(name, suites, (ours, str(place.resolve()), str(repository.resolve())))
    commit = commit_of(repository, name)
    top = _run(["git", "rev-parse", "--show-toplevel"], repository) if commit else ""
    if not commit or not top:
        raise RevisionError(f"'{name}' is no git revision here, nor '.', nor a requirement such as name==1.2")
    tree = state.resolve() / "worktrees" / commit
    if not (tree / ".git").exists():
        _run(["git", "worktree", "prune"], repository)
        shutil.rmtree(tree, ignore_errors=True)  # what a killed checkout has left
        _run(["git", "worktree", "add", "--force", "--detach", "--quiet", str(tree), commit], repository)
    paths = [ours]
    if (tree / "pyproject.toml").exists() or (tree / "setup.py").exists():
        place = state / "builds" / commit
        _install(["--no-deps", str(tree)], place)
        paths.append(str(place.resolve()))
    inside = suites.resolve().is_relative_to(top)
    own = tree / suites.resolve().relative_to(top) if inside else suites
    return Side(name, own, (*paths, str(tree)))


def between(good: str, bad: str, repository: Path) -> list[tuple[str, str]]:
    """The commits after a good revision up to a bad one, oldest first, each with its subject.

    Only first parents are followed, so that each is a state that the branch was in; a merge counts as one.

    Raises:
        RevisionError: either is no commit, or the good one is not in the history of the bad one.
    """
    ends = [commit_of(repository, name) for name in (good, bad)]
    for name, commit in zip((good, bad), ends, strict=True):
        if commit is None:
            raise RevisionError(f"'{name}' is no git revision here")
    first, last = map(str, ends)
    if first == last:
        raise RevisionError(f"{good} and {bad} are the same commit: there is nothing between them")
    if not is_ancestor(repository, first, last):
        raise RevisionError(f"{good} is not in the history of {bad}: give an ancestor of it")
    line = ["git", "log", "--first-parent", "--ancestry-path", "--reverse", "--format=%H %s"]
    listed = _run([*line, f"{first}..{last}"], repository).splitlines()
    return [(commit, subject) for commit, _, subject in (row.partition(" ") for row in listed)]


def _only_dsbench(state: Path) -> str:
    """A folder through which a worker imports this dsbench and nothing that lies beside it."""
    package = Path(dsbench.__file__).parent
    place = state.resolve() / "builds" / "dsbench"
    place.mkdir(parents=True, exist_ok=True)
    link = place / "dsbench"
    if not link.is_symlink() or link.resolve() != package:
        link.unlink(missing_ok=True)
        link.symlink_to(package)
    return str(place)


def _install(what: Sequence[str], place: Path) -> None:
    """Installs into a folder that appears only when it is whole."""
    if place.exists():
        return
    partial = place.with_name(f"{place.name}.{os.getpid()}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        _run([*command, "--target", str(partial), *what], Path.cwd())
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower()]
        raise BuildError((errors or said or [f"{command[0]} left with {done.returncode}"])[-1].strip())
    return done.stdout.strip()
