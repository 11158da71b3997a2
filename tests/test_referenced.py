"""The ratio to a pinned reference: what is measured, what is remembered, what a new reference means."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli_rigs import Dsbench
from make_runs import a_case, a_run, an_environment, measured

from dsbench.baseline import expected
from dsbench.cli import exits
from dsbench.gate import Outcome, judge
from dsbench.history import record, recorded, series
from dsbench.metrics import METRICS, REFERENCE
from dsbench.pairs import Pairing, Side
from dsbench.records import Case, Measurement, Run, Status
from dsbench.referenced import measure_against
from dsbench.registry import load
from dsbench.stats.intervals import Estimate

SUITE = """
from dsbench.backends.fake import spend
from dsbench.registry import benchmark


def work(x):
    {body}
    return x


@benchmark(candidates={{"work": work}}, baseline="work", version={version})
def echo(device, seed):
    return {{"x": [1.0]}}
"""
QUICK = Pairing("fake", timeout=20.0, seconds=0.0)
COMMIT = "c" * 40
PAIRS = 2
RATIO = METRICS["ratio_to_reference"]


def side(folder: Path, name: str, body: str = "spend(1e-3)", version: int = 1) -> Side:
    (folder / name).mkdir()
    (folder / name / "echoes.py").write_text(SUITE.format(body=body, version=version))
    return Side(name, folder / name)


def cases(of: Side) -> list[Case]:
    return load(of.suites / "echoes.py").benchmarks["echo"].cases("fake", quick=False)


def against(reference: Side, present: Side, finished: tuple[Measurement, ...] = ()) -> Measurement:
    """What a run would hold, as its file is read back."""
    found = [
        *finished,
        *measure_against((reference, present), cases(present), QUICK, COMMIT, PAIRS, finished),
    ]
    lines = a_run(found).lines()
    (whole,) = Run.from_lines(lines).measurements
    return whole


def test_the_ratio_is_that_of_the_present_tree_to_the_reference_over_all_pairs(tmp_path: Path) -> None:
    found = against(side(tmp_path, "then"), side(tmp_path, "now", "spend(1.1e-3)"))
    estimate = RATIO.of(found)
    assert estimate is not None
    assert estimate.value == pytest.approx(1.1)
    assert [sample.round for sample in found.readings["ratio"]] == list(range(PAIRS))
    assert found.notes[REFERENCE] == COMMIT


def test_pairs_that_an_interrupted_run_has_measured_are_not_measured_again(tmp_path: Path) -> None:
    sides = side(tmp_path, "then"), side(tmp_path, "now")
    case = cases(sides[1])[0]
    old = measured(case, REFERENCE, {"ratio": [[1.0]] * (PAIRS - 1)})
    fresh = list(measure_against(sides, [case], QUICK, COMMIT, PAIRS, [old]))
    assert [sample.round for m in fresh for sample in m.readings["ratio"]] == [PAIRS - 1]


@pytest.mark.parametrize(
    ("then", "now", "status", "told"),
    [
        ("spend(1e-3)", "raise ValueError('here')", Status.ERROR, "ValueError: here"),
        ("raise ValueError('there')", "spend(1e-3)", Status.UNSUPPORTED, "the reference: ValueError: there"),
    ],
)
def test_only_a_failure_of_the_present_tree_is_a_failure(
    tmp_path: Path, then: str, now: str, status: Status, told: str
) -> None:
    found = against(side(tmp_path, "then", then), side(tmp_path, "now", now))
    assert (found.status, told in found.reason) == (status, True)
    assert found.notes[REFERENCE] == COMMIT


def test_a_case_that_the_reference_lacks_or_has_in_another_version_has_no_ratio(tmp_path: Path) -> None:
    now = side(tmp_path, "now", version=2)
    old = against(side(tmp_path, "then", version=1), now)
    assert (old.status, old.reason) == (Status.UNSUPPORTED, "version 1 at the reference, 2 here")
    (tmp_path / "none").mkdir()
    absent = against(Side("none", tmp_path / "none"), now)
    assert (absent.status, absent.reason) == (Status.UNSUPPORTED, "absent from the reference")


def test_six_pairs_have_an_interval_fewer_have_none_and_one_odd_pair_does_not_move_the_ratio() -> None:
    few, six, odd = (
        RATIO.of(measured(a_case(), REFERENCE, {"ratio": [[value] for value in values]}))
        for values in ([1.1] * 5, [1.1] * 6, [*[1.1] * 11, 5.0])
    )
    assert few == Estimate(pytest.approx(1.1))
    assert six == Estimate(pytest.approx(1.1), pytest.approx(1.1), pytest.approx(1.1))
    assert odd is not None
    assert odd.value == pytest.approx(1.1)


def ratios(value: float, reference: str, commit: str, when: float) -> Run:
    found = measured(a_case(N=64), REFERENCE, {"ratio": [[value]] * 12})
    noted = Measurement(**{**vars(found), "notes": {REFERENCE: reference}})
    where = an_environment(commit=commit * 40, commit_time=when)
    return a_run([noted], environment=where, settings={REFERENCE: reference, "filters": (), "excludes": ()})


def test_a_new_reference_starts_a_new_series_also_in_asv_files(tmp_path: Path) -> None:
    for value, reference, commit, when in ((1.0, "a", "1", 1e9), (1.1, "a", "2", 2e9), (1.0, "b", "3", 3e9)):
        record(ratios(value, reference, commit, when), tmp_path)
    found = {one.reference: one for one in series(recorded(tmp_path)[0])}
    values = {
        name: [round(p.estimate.value, 6) for p in one.points if p.estimate] for name, one in found.items()
    }
    assert values == {"a": [1.0, 1.1], "b": [1.0]}
    (entry,) = (
        entry
        for name, entry in json.loads((tmp_path / "benchmarks.json").read_text()).items()
        if name != "version"
    )
    assert entry["param_names"] == ["candidate", "N", "reference"]
    assert entry["params"][-1] == ["'a'", "'b'"]


def test_a_run_without_a_reference_or_with_another_one_is_not_missing_the_ratio() -> None:
    old = list(ratios(1.0, "a", "1", 1e9).measurements)
    assert expected(old, ratios(1.0, "a", "2", 2e9)) == old
    assert expected(old, ratios(1.0, "b", "2", 2e9)) == []


def test_ratios_to_different_references_are_never_compared() -> None:
    before, same, other = (
        ratios(value, reference, "1", 1e9).measurements
        for value, reference in ((1.0, "a"), (1.5, "a"), (1.5, "b"))
    )
    assert [verdict.outcome for verdict in judge(same, before)] == [Outcome.WORSE]
    (verdict,) = judge(other, before)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.NEW,
        "reference: the ratio is to another revision",
    )


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(folder: Path) -> Path:
    """A repository with a commit tagged `v1`, and one after it that takes 10 % longer."""
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitignore").write_text(".dsbench/\n")
    (folder / "suites").mkdir()
    for tag, seconds in (("v1", "1e-3"), ("v2", "1.1e-3")):
        (folder / "suites" / "echoes.py").write_text(SUITE.format(body=f"spend({seconds})", version=1))
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", tag)
        git(folder, "tag", tag)
    return folder


RUN = ("run", "--suites", "suites", "--backend", "fake", "--min-time", "0.001", "--timeout", "20")


def test_a_run_with_a_reference_shows_and_records_the_ratio(project: Path, dsbench: Dsbench) -> None:
    done = dsbench(*RUN, "--rounds", "1", "--reference", "v1")
    assert done.exit_code == exits.OK, done.output
    assert "ratio to reference" in done.stdout
    assert "against the reference" in done.stderr
    reference = git(project, "rev-parse", "v1")
    (found,) = json.loads(dsbench("history", "--metric", "ratio_to_reference", "--format", "json").stdout)
    assert found["reference"] == reference
    assert found["points"][0]["value"] == pytest.approx(1.1, rel=0.02)
    assert f"ratio_to_reference {reference[:8]}" in dsbench("history").stdout


def test_a_reference_that_does_not_exist_is_refused_before_anything_is_measured(
    project: Path, dsbench: Dsbench
) -> None:
    done = dsbench(*RUN, "--reference", "v9")
    assert done.exit_code == exits.USAGE
    assert "--reference v9: no such git revision here" in done.stderr
    assert not (project / ".dsbench" / "runs").exists()
