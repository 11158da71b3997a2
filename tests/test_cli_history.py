"""What the command line remembers and judges: history, gate, and runs of unlike environments."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from cli_rigs import FAKE, STEADY, Commit, Dsbench
from make_runs import example

from dsbench import runs
from dsbench.cli import exits


def test_full_runs_of_clean_commits_are_recorded_and_dirty_ones_are_not(
    dsbench: Dsbench, repository: Commit, folder: Path
) -> None:
    commit = repository("one")
    run = ("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double")
    done = dsbench(*run)
    assert f"history  results/fake-device/{commit[:8]}-dsbench-fake-py" in done.stderr
    assert list((folder / "results/fake-device").glob("*.jsonl"))
    again = dsbench(*run)  # what was recorded does not make the tree dirty
    assert "history  results/" in again.stderr
    (folder / "code.txt").write_text("changed")
    assert "not recorded: the working tree differs from the commit" in dsbench(*run).stderr
    assert "history  results/" in dsbench(*run, "--record").stderr


def test_outside_a_repository_the_commit_is_unknown_and_everything_else_works(dsbench: Dsbench) -> None:
    done = dsbench("run", *STEADY, *FAKE, "--rounds", "1", "-k", "unchecked")
    assert done.exit_code == exits.OK
    assert "no git repository" in done.stderr
    assert dsbench("report", "--format", "json").exit_code == exits.OK


def test_the_gate_goes_from_new_to_same_to_missing(dsbench: Dsbench, repository: Commit) -> None:
    run = ("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double")
    repository("one")
    dsbench(*run)
    first = dsbench("gate", "--format", "json")
    found = {name for name, count in json.loads(first.stdout)["summary"].items() if count}
    assert (first.exit_code, found) == (exits.OK, {"new"})
    repository("two")
    dsbench(*run)
    second = dsbench("gate")
    assert second.exit_code == exits.OK
    assert "same" in second.stdout
    repository("three")
    dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double")
    # The same selection without one candidate, as if it had vanished from the suite.
    newest = runs.find("latest")
    assert newest is not None
    poorer = newest.lines()
    Path("poorer.jsonl").write_text("\n".join(line for line in poorer if '"candidate":"quick"' not in line))
    gone = dsbench("gate", "poorer.jsonl", "--format", "markdown")
    assert gone.exit_code == exits.NOTHING
    assert "missing" in gone.stdout
    assert dsbench("gate", "poorer.jsonl", "--exclude", "double.quick").exit_code == exits.OK


def slower(line: str) -> str:
    """The line of a run's file with its latencies doubled."""
    row = json.loads(line)
    for sample in row.get("readings", {}).get("latency", []):
        sample[0] *= 2
    return json.dumps(row)


def test_the_gate_exits_with_1_on_a_regression_and_names_it(dsbench: Dsbench) -> None:
    dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double.plain.N=1]", "--save", "before")
    saved = Path(".dsbench/saved/before.jsonl").read_text().splitlines()
    Path("slow.jsonl").write_text("\n".join(slower(line) for line in saved))
    done = dsbench("gate", "slow.jsonl", "--baseline", "before")
    assert done.exit_code == exits.REGRESSION
    assert "worse" in done.stdout
    assert "steady.double.plain[N=1]" in done.stdout
    assert dsbench("gate", "before", "--baseline", "slow.jsonl").exit_code == exits.OK
    assert dsbench("compare", "before", "slow.jsonl").exit_code == exits.REGRESSION


def test_runs_of_unlike_devices_are_not_judged_unless_allowed(dsbench: Dsbench) -> None:
    dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "unchecked", "--save", "before")
    text = Path(".dsbench/saved/before.jsonl").read_text()
    Path("other.jsonl").write_text(text.replace('"fake device"', '"other device"'))
    done = dsbench("gate", "before", "--baseline", "other.jsonl")
    assert done.exit_code == exits.USAGE
    assert "device other device -> fake device" in done.stderr
    allowed = dsbench("gate", "before", "--baseline", "other.jsonl", "--allow-unlike")
    assert allowed.exit_code == exits.OK
    assert "other device" in allowed.stdout


def test_strict_turns_inconclusive_into_5(dsbench: Dsbench) -> None:
    dsbench("run", *STEADY, *FAKE, "--rounds", "1", "-k", "unchecked", "--save", "a")
    assert dsbench("gate", "a", "--baseline", "a").exit_code == exits.OK
    assert dsbench("gate", "a", "--baseline", "a", "--strict").exit_code == exits.INCONCLUSIVE


def test_a_corrupt_results_file_is_named_and_the_others_are_read(
    dsbench: Dsbench, repository: Commit
) -> None:
    repository("one")
    dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double")
    repository("two")
    dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double")
    bad, good = sorted(Path("results/fake-device").glob("*.jsonl"))
    bad.write_text("{ not json\n")
    done = dsbench("history", "--metric", "latency")
    assert done.exit_code == exits.OK
    assert str(bad) in done.stderr
    assert good.name[:8] in done.stdout


def test_a_results_folder_that_refuses_keeps_the_run_and_prints_its_place(
    dsbench: Dsbench, repository: Commit, folder: Path
) -> None:
    repository("one")
    (folder / "results").write_text("a file where the folder should be")
    done = dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "unchecked", "--record")
    assert done.exit_code == exits.USAGE
    kept = Path(done.stderr.partition("the run is kept in ")[2].split()[0])
    assert runs.read(kept).measurements
    (folder / "results").unlink()
    assert dsbench("history", "--add", kept.stem).exit_code == exits.OK
    assert "unchecked" in dsbench("history").stdout


def test_history_shows_series_as_text_and_json_and_lists_runs(dsbench: Dsbench, repository: Commit) -> None:
    commits = []
    for subject in ("one", "two"):
        commits.append(repository(subject))
        dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double.plain")
    text = dsbench("history", "--metric", "latency", "-k", "N=10]").stdout
    assert all(commit[:8] in text for commit in commits)
    assert "2.00 ms" in text
    series = json.loads(dsbench("history", "--format", "json", "--metric", "latency").stdout)
    assert all(len(one["points"]) == 2 for one in series)
    assert dsbench("history", "--runs").stdout.count("recorded") == 2
    assert dsbench("history", "--metric", "latancy").exit_code == exits.USAGE


def test_a_run_that_was_cut_off_is_recorded_with_a_warning(
    dsbench: Dsbench, folder: Path, repository: Commit
) -> None:
    commit = repository("one")
    run = example()
    environment = replace(run.environment, commit=commit, dirty=False)
    cut = replace(run, environment=environment, planned=(*run.planned, "never.measured.case"))
    (folder / "run.jsonl").write_text("\n".join(cut.lines()))
    done = dsbench("history", "--add", "run.jsonl")
    assert done.exit_code == exits.OK
    assert "warning: the run was cut off" in done.stderr


def test_a_run_of_other_probes_is_not_recorded_and_the_gate_misses_only_what_was_asked(
    dsbench: Dsbench, repository: Commit
) -> None:
    options = (*STEADY, *FAKE, "--rounds", "2", "-k", "double.plain.N=10]")
    repository("one")
    dsbench("run", *options)
    repository("two")
    done = dsbench("run", *options, "--probe", "latency")
    assert "not recorded: it asked other probes than the suites do" in done.stderr
    verdicts = json.loads(dsbench("gate", "--format", "json").stdout)["verdicts"]
    assert {verdict["metric"] for verdict in verdicts} == {"latency", "latency_cold"}
