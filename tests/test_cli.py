"""The command line as its user meets it: what it prints, where, and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pandas
import pytest
from cli_rigs import BROKEN, FAKE, FAULTS, STEADY, Dsbench
from click.testing import CliRunner
from make_runs import example

from dsbench.cli import Commands, exits, main


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


def test_a_failure_of_dsbench_itself_is_one_line_and_the_traceback_is_kept(folder: Path) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("no such luck\nsecond line")

    done = CliRunner().invoke(Commands(commands=[broken]), ["broken"])
    assert done.exit_code == exits.USAGE
    assert done.stderr == (
        "error: dsbench failed: ZeroDivisionError: no such luck; please report it with .dsbench/crash.log\n"
    )
    assert "ZeroDivisionError" in (folder / ".dsbench" / "crash.log").read_text()
