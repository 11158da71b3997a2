"""`dsbench gate` with --measure, and against the last run that was good."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli_rigs import Dsbench
from make_runs import a_case, a_run, around, failed, measured, slowed
from project_rigs import MEASURE, commit, git, write

from dsbench import runs
from dsbench.baseline import LOOKED_BACK, green_runs, newest_good
from dsbench.cli.gate_measured import green
from dsbench.gate import Policy
from dsbench.history import record
from dsbench.records import Run, Status

RUN = ("run", "--suites", "suites", "--backend", "fake", "--min-time", "0.001", "--rounds", "3")


def newest() -> Run:
    found = runs.find("latest")
    assert found is not None
    return found


def test_a_slower_working_tree_fails_and_leaves_every_pair_on_disk(project: Path, dsbench: Dsbench) -> None:
    write(project, "1.1e-3")
    result = dsbench("gate", "--baseline", "old", *MEASURE)
    assert result.exit_code == 1, result.output
    assert "fresh pairs confirm it" in " ".join(result.stdout.split())
    assert "A/A control, echoes.echo.work" in result.stderr
    (kept,) = (project / ".dsbench" / "comparisons").glob("*.jsonl")
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert sum(row["type"] == "pair" and not row["control"] for row in rows) == 12 + 24
    judged = json.loads((project / ".dsbench" / "verdicts.json").read_text())["judged"]
    assert (judged["commit"], judged["baseline"]) == ("", git(project, "rev-parse", "old"))


def test_expected_cases_that_neither_side_has_are_missing(project: Path, dsbench: Dsbench) -> None:
    dsbench(*RUN)
    dsbench("gate", "--accept")
    (declared,) = (project / "results").glob("*/expected-fake.jsonl")
    gone = json.loads(declared.read_text()) | {"candidate": "retired"}
    declared.write_text(declared.read_text() + json.dumps(gone) + "\n")
    suite = project / "suites" / "echoes.py"
    suite.write_text(suite.read_text().replace("def echo", "def reply"))
    result = dsbench("gate", "--baseline", "old", *MEASURE, "--format", "json")
    found = {row["case"]["name"]: row["reason"] for row in json.loads(result.stdout)["verdicts"]}
    assert found["echoes.echo.work"] == "only old has it"
    assert found["echoes.echo.retired"].startswith("expected")
    assert result.exit_code == 4


def test_an_alarm_of_a_stored_run_that_does_not_recur_does_not_fail(project: Path, dsbench: Dsbench) -> None:
    suite = project / "suites" / "echoes.py"
    text = suite.read_text().replace('baseline="work"', 'baseline="work", probes=("latency", "memory")')
    suite.write_text(text.replace("return x\n", "hold(2**24); free(2**24); return x\n", 1))
    suite.write_text(suite.read_text().replace("import spend", "import free, hold, spend"))
    commit(project, "asks for memory")
    dsbench(*RUN, "--save", "before")
    saved = (project / ".dsbench/saved/before.jsonl").read_text()
    (project / ".dsbench" / "fat.jsonl").write_text(saved.replace("16777200.0", "36777200.0"))
    gate = ("gate", ".dsbench/fat.jsonl", "--baseline", "before")
    assert dsbench(*gate).exit_code == 1
    again = dsbench(*gate, "--measure", "-v")
    assert again.exit_code == 0, again.output
    assert "measured again: within the tolerance" in " ".join(again.stdout.split())


@pytest.fixture
def regressed(project: Path, dsbench: Dsbench) -> list[Run]:
    """Three recorded runs; the second and the third are slower than the first."""
    dsbench(*RUN)
    first = newest()
    found = []
    for number, factor in enumerate((1.0, 1.3, 1.3)):
        sha = git(project, "rev-parse", "HEAD") if number == 0 else commit(project, f"{number}")
        slow = Run.from_lines(slowed("\n".join(first.lines()), factor).splitlines())
        where = replace(first.environment, commit=sha, commit_time=1e9 + number, dirty=False)
        found.append(replace(slow, id=f"r{number}", environment=where))
    for run in found[:2]:
        record(run, project / "results")
    runs.save(found[1], "second")
    runs.save(found[2], "third")
    return found


def test_against_the_last_green_run_a_slow_down_stays_one_until_it_is_acknowledged(
    regressed: list[Run], project: Path, dsbench: Dsbench
) -> None:
    assert dsbench("gate", "third").exit_code == 0  # no slower than the commit before it
    held = dsbench("gate", "third", "--baseline", "last-green")
    assert held.exit_code == 1
    assert f"last green: commit {regressed[0].environment.commit[:8]}, 1 earlier" in held.stderr
    dsbench("gate", "second", "--baseline", "last-green")
    document = json.loads((project / ".dsbench/verdicts.json").read_text())
    assert document["judged"]["baseline"] == regressed[0].environment.commit
    for verdict in document["verdicts"]:
        if verdict["outcome"] == "worse":
            done = dsbench("ack", verdict["id"], "--reason", "exact", "--until", "never")
            assert done.exit_code == 0
    again = dsbench("gate", "third", "--baseline", "last-green")
    assert again.exit_code == 0, again.output
    assert f"last green: commit {regressed[1].environment.commit[:8]}, 0 earlier" in again.stderr


def test_a_folder_without_a_good_run_says_so(project: Path, dsbench: Dsbench) -> None:
    result = dsbench("gate", "--baseline", "last-green", *MEASURE)
    assert result.exit_code == 4
    assert "holds nothing that was good" in result.stderr


def test_a_case_that_always_fails_keeps_no_run_from_being_green_and_one_that_worked_does(
    tmp_path: Path,
) -> None:
    works, fails = a_case("works"), a_case("fails")
    latency = measured(works, "latency", {"latency": around(1e-3)})
    unfiltered = {"filters": [], "excludes": []}
    always = a_run([latency, failed(fails, "latency", Status.OOM, "70 GiB")], settings=unfiltered)
    broken = a_run([failed(works, "latency", Status.ERROR, "no luck")], settings=unfiltered)
    found = green([always, always, broken, always], Policy(), {}, tmp_path)
    assert [run is always for run in found] == [True, True, True]


def test_only_the_newest_runs_are_looked_at() -> None:
    looked: list[Run] = []

    def green(run: Run, before: list[Run]) -> bool:
        looked.append(run)
        return True

    assert len(green_runs([a_run([])] * (2 * LOOKED_BACK), green)) == len(looked) == LOOKED_BACK


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--measure",), "needs a --baseline"),
        (("--measure", "--baseline", "old", "--accept"), "--accept is of a stored run"),
        (("--measure", "--baseline", "nowhere"), "no git revision"),
        (("--seed", "3"), "--seed needs --measure"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_a_line(
    project: Path, dsbench: Dsbench, options: tuple[str, ...], told: str
) -> None:
    fake = () if "--seed" in options else MEASURE[1:]
    result = dsbench("gate", *options, *fake)
    assert result.exit_code == 2
    assert told in result.stderr.strip().splitlines()[-1]


def test_what_was_last_good_is_the_newest_with_numbers_or_else_the_newest() -> None:
    rows = [
        ("mended", "latency", Status.ERROR, 1),
        ("never", "latency", Status.ERROR, 2),
        ("mended", "latency", Status.OK, 3),
        ("never", "latency", Status.TIMEOUT, 4),
        ("mended", "latency", Status.ERROR, 5),
    ]
    assert newest_good(rows) == [3, 4]
