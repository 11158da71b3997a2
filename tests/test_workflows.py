"""The nightly workflow, run for real on the simulated device against a repository beside this one."""

from __future__ import annotations

import shutil
import subprocess
from types import SimpleNamespace

import pytest
from workflow_rig import ROOT, Hosting

SUITE = """
from dsbench.backends.fake import spend
from dsbench.registry import benchmark


def work(x):
    spend({seconds})
    return x


@benchmark(candidates={{"work": work}}, baseline="work", oracle=lambda x: x)
def echo(device, seed):
    return {{"x": [1.0]}}
"""
DEVICES = """'["cpu", "cuda", "rocm", "mps"]'"""
CONTEXTS = {
    "matrix.device": "fake",
    "github.token": "token",
    "vars.NIGHTLY_OPTIONS": "--suites suites --rounds 2 --min-time 0.001",
    # A runner for the simulated device, and none that takes the job of the other.
    f"join(fromJSON(vars.NIGHTLY_DEVICES || {DEVICES}), ' ')": "fake cuda",
}
NEEDED = ("scripts", ".gitignore", "Makefile", "constraints.txt", "pyproject.toml")


def commit(hosting: Hosting, seconds: float) -> None:
    """Pushes a commit in which the suite's one case takes so long."""
    source = hosting.folder / "source"
    (source / "suites").mkdir(exist_ok=True)
    (source / "suites" / "echoes.py").write_text(SUITE.format(seconds=seconds))
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    for arguments in (
        ("add", "-A"),
        (*identity, "commit", "--quiet", "-m", f"{seconds} s"),
        ("push", "--quiet", "origin", "main"),
    ):
        subprocess.run(["git", *arguments], cwd=source, check=True)


def night(hosting: Hosting) -> SimpleNamespace:
    """What the jobs of one night come to, in the order in which they need each other."""
    shutil.rmtree(hosting.artifacts, ignore_errors=True)
    measured = hosting.job("nightly.yml", "measure")
    assert hosting.job("nightly.yml", "record"), hosting.log
    if not measured:
        assert hosting.job("nightly.yml", "tell"), hosting.log
    kept = hosting.git("ls-tree", "-r", "--name-only", "results").split()
    return SimpleNamespace(
        passed=measured,
        runs=[name for name in kept if "-dsbench-fake-" in name and name.endswith(".json")],
        issue=[path.read_text() for path in sorted(hosting.issues.glob("*.md"))],
    )


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Hosting:
    hosting = Hosting(tmp_path_factory.mktemp("hosting"), CONTEXTS)
    source = hosting.folder / "source"
    source.mkdir()
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("remote", "add", "origin", hosting.origin),
        ("init", "--quiet", "--bare", "--initial-branch=main", hosting.origin),
    ):
        subprocess.run(["git", *arguments], cwd=source, check=True)
    return hosting


@pytest.fixture(scope="module")
def nights(hosting: Hosting) -> list[SimpleNamespace]:
    """A first night, one in which the case has become slower, and one in which it stays so."""
    found = []
    for seconds in (1e-3, 1.2e-3, 1.21e-3):
        commit(hosting, seconds)
        found.append(night(hosting))
    return found


def test_a_first_night_without_a_history_passes_and_makes_one(nights: list[SimpleNamespace]) -> None:
    assert nights[0].passed
    assert len(nights[0].runs) == 1
    assert nights[0].issue == []


def test_a_slower_commit_fails_the_gate_every_night_and_is_recorded_all_the_same(
    nights: list[SimpleNamespace],
) -> None:
    assert [one.passed for one in nights] == [True, False, False]
    assert [len(one.runs) for one in nights] == [1, 2, 3]


def test_a_failing_gate_opens_one_issue_and_later_ones_add_to_it(
    hosting: Hosting, nights: list[SimpleNamespace]
) -> None:
    assert [len(one.issue) for one in nights] == [0, 1, 2]
    assert "| worse | echoes.echo.work | latency |" in nights[1].issue[0]
    assert "+21.0 %" in nights[2].issue[1]
    calls = (hosting.issues / "calls").read_text()
    assert calls.count("issue create") == 1
    assert calls.count("issue comment 7") == 1


def test_a_device_that_no_runner_took_is_named_in_the_issue(nights: list[SimpleNamespace]) -> None:
    assert "## cuda\n\nNo report" in nights[1].issue[0]


def test_the_dashboard_shows_what_was_recorded(hosting: Hosting, nights: list[SimpleNamespace]) -> None:
    assert hosting.job("pages.yml", "build"), hosting.log
    dashboard = hosting.artifacts / "dashboard"
    assert (dashboard / "index.html").exists()
    assert any("echoes.echo" in path.read_text() for path in dashboard.rglob("*") if path.is_file())


def test_runs_that_are_all_recorded_change_nothing(hosting: Hosting, nights: list[SimpleNamespace]) -> None:
    before = hosting.git("rev-parse", "results")
    shutil.rmtree(hosting.artifacts)
    hosting.artifacts.mkdir()
    assert hosting.job("nightly.yml", "record"), hosting.log
    assert "nothing was measured" in hosting.log
    assert hosting.git("rev-parse", "results") == before


def test_a_device_that_is_not_there_fails_with_the_reason(
    hosting: Hosting, nights: list[SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hosting.contexts, "matrix.device", "rocm")
    assert not hosting.job("nightly.yml", "measure")
    assert "rocm" in hosting.log
