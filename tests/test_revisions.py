"""Revisions made ready to be measured, and `dsbench compare --measure` on them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_rigs import Dsbench
from click.testing import Result

from dsbench.revisions import BuildError, RevisionError, build

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


@pytest.fixture
def project(folder: Path) -> Path:
    """A repository with one commit, tagged `old`, and a suite."""
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitignore").write_text(".dsbench/\n")
    write(folder, "1e-3")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "old")
    return folder


def write(folder: Path, seconds: str) -> None:
    (folder / "suites").mkdir(exist_ok=True)
    (folder / "suites" / "echoes.py").write_text(SUITE.format(seconds=seconds))


def ready(project: Path, name: str) -> object:
    return build(name, project / "suites", project / ".dsbench", project)


def test_a_revision_has_its_own_suites_and_the_working_tree_its_uncommitted_ones(project: Path) -> None:
    write(project, "2e-3")
    old = build("old", project / "suites", project / ".dsbench", project)
    now = build(".", project / "suites", project / ".dsbench", project)
    assert "spend(1e-3)" in (old.suites / "echoes.py").read_text()
    assert "spend(2e-3)" in (now.suites / "echoes.py").read_text()


def test_a_revision_is_checked_out_once_and_again_when_a_checkout_was_cut_off(project: Path) -> None:
    first = build("old", project / "suites", project / ".dsbench", project)
    (first.suites / "mark").touch()
    assert ready(project, "main") == build("main", project / "suites", project / ".dsbench", project)
    assert (first.suites / "mark").exists()
    (first.suites.parent / ".git").unlink()
    ready(project, "old")
    assert not (first.suites / "mark").exists()


def test_a_revision_that_does_not_exist_is_refused_in_one_line(project: Path, dsbench: Dsbench) -> None:
    with pytest.raises(RevisionError, match="'nowhere' is no git revision"):
        ready(project, "nowhere")
    result = dsbench("compare", "nowhere", ".", *MEASURE)
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines()[-1].startswith("Error: 'nowhere' is no git revision here")


def test_a_revision_that_cannot_be_installed_is_unbuilt(project: Path, dsbench: Dsbench) -> None:
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "nothing"\nbackend-path = ["."]\n'
    )
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "broken build")
    with pytest.raises(BuildError):
        ready(project, "main")
    assert not list((project / ".dsbench" / "builds").glob(f"{git(project, 'rev-parse', 'HEAD')}*"))
    result = dsbench("compare", "old", "main", *MEASURE, "--format", "json")
    assert result.exit_code == 3
    (verdict,) = json.loads(result.stdout)["verdicts"]
    assert verdict["outcome"] == "unbuilt"
    assert "main cannot be built" in verdict["reason"]


def test_a_slower_working_tree_fails_and_leaves_every_pair_on_disk(project: Path, dsbench: Dsbench) -> None:
    write(project, "1.1e-3")
    result = dsbench("compare", "old", ".", *MEASURE)
    assert result.exit_code == 1, result.output
    assert "fresh pairs confirm it" in " ".join(result.stdout.split())
    assert "A/A control, echoes.echo.work" in result.stderr
    (kept,) = (project / ".dsbench" / "comparisons").glob("*.jsonl")
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert sum(row["type"] == "pair" and not row["control"] for row in rows) == 12 + 24


def test_a_case_of_one_side_only_is_missing_or_new(project: Path, dsbench: Callable[..., Result]) -> None:
    renamed = (project / "suites" / "echoes.py").read_text().replace("def echo", "def reply")
    (project / "suites" / "echoes.py").write_text(renamed)
    result = dsbench("compare", "old", ".", *MEASURE, "--format", "json")
    found = {row["case"]["name"]: row["outcome"] for row in json.loads(result.stdout)["verdicts"]}
    assert found == {"echoes.echo.work": "missing", "echoes.reply.work": "new"}
    assert result.exit_code == 4


def test_without_measure_an_option_of_measuring_is_refused(folder: Path, dsbench: Dsbench) -> None:
    result = dsbench("compare", "a", "b", "--strict")
    assert result.exit_code == 2
    assert "--strict" in result.stderr
    assert "--measure" in result.stderr
