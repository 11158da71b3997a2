"""Revisions made ready to be measured, and `dsbench compare --measure` on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_rigs import Dsbench
from click.testing import Result
from project_rigs import MEASURE, git, write

from dsbench.revisions import BuildError, RevisionError, build


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


def test_a_case_of_one_side_only_is_missing_or_new(project: Path, dsbench: Callable[..., Result]) -> None:
    renamed = (project / "suites" / "echoes.py").read_text().replace("def echo", "def reply")
    (project / "suites" / "echoes.py").write_text(renamed)
    result = dsbench("compare", "old", ".", *MEASURE, "--format", "json")
    found = {row["case"]["name"]: row["outcome"] for row in json.loads(result.stdout)["verdicts"]}
    assert found == {"echoes.echo.work": "missing", "echoes.reply.work": "new"}
    assert result.exit_code == 4


def test_a_case_that_is_not_timed_is_not_compared(project: Path, dsbench: Dsbench) -> None:
    suite = project / "suites" / "echoes.py"
    suite.write_text(suite.read_text().replace('baseline="work"', 'baseline="work", probes=("memory",)'))
    result = dsbench("compare", ".", ".", *MEASURE)
    assert result.exit_code == 4
    assert "there is no case to compare" in result.stderr


def test_without_measure_an_option_of_measuring_is_refused(folder: Path, dsbench: Dsbench) -> None:
    result = dsbench("compare", "a", "b", "--strict")
    assert result.exit_code == 2
    assert "--strict" in result.stderr
    assert "--measure" in result.stderr
