"""The command line as its user meets it: what it prints, where, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pandas
import psutil
import pytest
from click.testing import Result
from conftest import SUITES
from make_runs import example

from dsbench import runs
from dsbench.cli import exits, main

Dsbench = Callable[..., Result]
Commit = Callable[[str], str]

STEADY, FAULTS, BROKEN = (("--suites", SUITES / name) for name in ("steady", "faults", "broken"))
FAKE = ("--backend", "fake", "--min-time", "0.001", "--timeout", "20")


def test_a_run_shows_a_table_on_stdout_and_says_on_stderr_where_everything_is(dsbench: Dsbench) -> None:
    done = dsbench("run", *STEADY, *FAKE, "--quick")
    assert done.exit_code == exits.OK
    assert "steady.double (baseline: plain)" in done.stdout
    assert "measuring 7 cases x 3 rounds on fake device (fake)" in done.stderr
    assert "[21/21]" in done.stderr
    for word in ("run      .dsbench/runs/", "history  not recorded: it has quick points only", "page     "):
        assert word in done.stderr
    page = Path(done.stderr.rpartition("page     ")[2].strip())
    assert "<html" in page.read_text()


def test_json_is_alone_on_stdout_and_strict(dsbench: Dsbench) -> None:
    done = dsbench("run", *STEADY, *FAKE, "--quick", "--rounds", "1", "-k", "unchecked", "--format", "json")
    document = json.loads(done.stdout, parse_constant=lambda constant: pytest.fail(constant))
    assert document["environment"]["device"]["backend"] == "fake"


def test_csv_and_markdown_go_to_a_file_when_asked(dsbench: Dsbench, folder: Path) -> None:
    dsbench(
        "run",
        *STEADY,
        *FAKE,
        "--quick",
        "--rounds",
        "1",
        "-k",
        "unchecked",
        "--format",
        "csv",
        "-o",
        "out/a.csv",
    )
    assert set(pandas.read_csv(folder / "out/a.csv")["metric"]) >= {"latency"}
    done = dsbench("report", "--format", "markdown", "-o", "a.md")
    assert (done.stdout, "| candidate |" in (folder / "a.md").read_text()) == ("", True)


def test_a_dry_run_names_the_cases_and_measures_nothing(dsbench: Dsbench, folder: Path) -> None:
    done = dsbench("run", *STEADY, *FAKE, "--quick", "-k", "plain", "--dry-run")
    assert done.stdout.split() == ["steady.double.plain[N=1]", "steady.double.plain[N=10]"]
    assert not (folder / ".dsbench").exists()


def test_a_failed_benchmark_makes_a_run_exit_with_3_and_is_in_the_table(dsbench: Dsbench) -> None:
    done = dsbench("run", *FAULTS, *FAKE, "--quick", "--rounds", "1", "-k", "raises", "-k", "right")
    assert done.exit_code == exits.FAILED
    assert "ValueError: no such thing" in done.stdout


def test_verify_calls_each_case_once_and_tells_wrong_from_right(dsbench: Dsbench) -> None:
    fine = dsbench("verify", *STEADY, "--backend", "fake", "--quick")
    assert fine.exit_code == exits.OK
    done = dsbench("verify", *FAULTS, "--backend", "fake", "-k", "fault.wrong", "-k", "fault.right")
    assert done.exit_code == exits.FAILED
    assert "relative error 0.5 is above the tolerance" in done.stdout


def test_what_verify_saw_is_not_taken_for_the_newest_run(dsbench: Dsbench) -> None:
    dsbench("verify", *STEADY, "--backend", "fake", "--quick")
    assert dsbench("report").exit_code == exits.NOTHING


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("run", "atention", "--backend", "fake"),
            exits.USAGE,
            "unknown suite 'atention'; did you mean 'attention'?",
        ),
        (("run", "--backend", "cdua"), exits.USAGE, "unknown backend 'cdua'; did you mean 'cuda'?"),
        (("run", *STEADY, *FAKE, "-k", "nothing-like-it"), exits.NOTHING, "no case matches"),
        (("run", *STEADY, *FAKE, "--exclude", "."), exits.NOTHING, "every case was excluded"),
        (("run", *STEADY, *FAKE, "-k", "("), exits.USAGE, "is not a regular expression"),
        (("run", *STEADY, "--backend", "fake", "--device", "7"), exits.NOTHING, "there is no device fake:7"),
        (("run", *STEADY, "--backend", "fake", "--device", "x"), exits.USAGE, "give a number"),
        (("run", "--suites", "nowhere", "--backend", "fake"), exits.USAGE, "no suites in nowhere"),
        (("run", "--resume"), exits.NOTHING, "there is no interrupted run to resume"),
        (("run", "--rounds", "0"), exits.USAGE, "0 is not in the range"),
        (("gate",), exits.NOTHING, "there is no run to judge"),
        (("report",), exits.NOTHING, "there is no run to report"),
        (("history",), exits.NOTHING, "no history under results"),
        (("compare", "a", "b"), exits.USAGE, "'b' is no run, saved name, file or git revision"),
        (("list", "atention"), exits.USAGE, "did you mean 'attention'?"),
        (("gate", "nonsense"), exits.USAGE, "'nonsense' is no run"),
    ],
)
def test_bad_input_gets_one_clear_line(
    dsbench: Dsbench, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = dsbench(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_backend_that_is_not_here_exits_with_4_and_says_what_was_found(dsbench: Dsbench) -> None:
    done = dsbench("run", *STEADY, "--backend", "rocm")
    assert done.exit_code == exits.NOTHING
    assert "backend rocm is not available here. rocm: " in done.stderr
    assert "torch" in done.stderr


def test_a_suite_that_raises_at_import_is_reported_and_the_others_are_measured(dsbench: Dsbench) -> None:
    done = dsbench("run", *BROKEN, *FAKE, "--quick", "--rounds", "1", "-k", "unchecked")
    assert done.exit_code == exits.FAILED
    assert "error: suite broken" in done.stderr
    assert "the weights are not here" in done.stderr
    assert "steady.unchecked" in done.stdout
    assert dsbench("list", *BROKEN).exit_code == exits.FAILED


def test_list_shows_benchmarks_cases_and_json(dsbench: Dsbench) -> None:
    text = dsbench("list", *STEADY).stdout
    assert "steady.double: Doubles numbers." in text
    assert "plain (baseline), quick, rough" in text
    assert "steady.double.rough[N=100]" in dsbench("list", *STEADY, "--cases").stdout.split()
    assert len(json.loads(dsbench("list", *STEADY, "--format", "json", "--quick").stdout)) == 7


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


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """`dsbench` as a process of its own."""
    command = [sys.executable, "-m", "dsbench", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Reads stderr until a text appears."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"{text!r} was never printed")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_what_there_is_and_resumes(
    dsbench: Dsbench, folder: Path, number: signal.Signals, code: int
) -> None:
    process = start(
        "run",
        *FAULTS,
        "--backend",
        "fake",
        "--rounds",
        "2",
        "--timeout",
        "30",
        "-k",
        "steady|hangs",
    )
    wait_for(process, "calm.steady round 1/2: ok")
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "dsbench run --resume" in errors
    assert "steady" in output
    (path,) = runs.paths()
    before = runs.read(path)
    assert before.ended is None
    # Time is short here, so the case that hangs is left out of what is still planned.
    text = path.read_text().replace('"timeout":30.0', '"timeout":1.0')
    path.write_text(text)
    done = dsbench("run", "--resume")
    assert done.exit_code == exits.FAILED
    after = runs.read(path)
    assert after.ended is not None
    assert {m.case.candidate for m in after.measurements} == {"steady", "hangs"}


def test_killing_the_parent_leaves_no_worker_and_keeps_every_finished_case(folder: Path) -> None:
    process = start(
        "run",
        *FAULTS,
        "--backend",
        "fake",
        "--rounds",
        "2",
        "--timeout",
        "60",
        "-k",
        "steady|hangs",
    )
    wait_for(process, "calm.steady round 1/2: ok")
    process.kill()
    process.communicate(timeout=30)

    def left() -> list[int]:
        mine = [p for p in psutil.process_iter(["cmdline", "cwd"]) if p.info["cwd"] == str(folder)]
        return [p.pid for p in mine if p.pid != os.getpid()]

    deadline = time.monotonic() + 20
    while left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left() == []
    (path,) = runs.paths()
    assert [m.case.candidate for m in runs.read(path).measurements] == ["steady"] * 3


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_that_says_what_each_option_does(dsbench: Dsbench, name: str) -> None:
    done = dsbench(name, "--help")
    assert done.exit_code == exits.OK
    options = [found for found in main.commands[name].params if isinstance(found, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("list",),
        ("gate",),
        ("history",),
        ("report", "run.jsonl"),
        ("compare", "run.jsonl", "run.jsonl"),
    ],
)
def test_torch_is_never_imported_by(arguments: tuple[str, ...], folder: Path) -> None:
    (folder / "run.jsonl").write_text("\n".join(example().lines()))
    program = (
        "import sys\nfrom dsbench.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'plotly', 'asv'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
