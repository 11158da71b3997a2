"""`dsbench history --changes`: what the command line tells of a recorded past."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_rigs import Commit, Dsbench
from make_runs import a_case, a_run, an_environment, around, failed, measured

from dsbench.cli import exits
from dsbench.history import record
from dsbench.records import Status

COMMITS = 26
DAY = 86_400.0
START = 1_750_000_000.0


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case that is 30 % slower from the 14th commit on and fails in the 5th, one that stays, and one that
    is slower in the last two."""
    results = tmp_path_factory.mktemp("past")
    for number in range(COMMITS):
        wobble = 1 + 0.005 * (number % 3)
        slow, last = 1.3 if number >= 13 else 1.0, 1.5 if number >= COMMITS - 2 else 1.0
        case = a_case("flash", N=64)
        first = measured(case, "latency", {"latency": around(1e-3 * slow * wobble)})
        found = [
            failed(case, "latency", Status.OOM, "too large") if number == 4 else first,
            measured(a_case("eager", N=64), "latency", {"latency": around(2e-3 * wobble)}),
            measured(a_case("math", N=64), "latency", {"latency": around(3e-3 * last * wobble)}),
        ]
        where = an_environment(commit=f"{number:040x}"[::-1], commit_time=START + number * DAY)
        record(a_run(found, id=f"r{number}", environment=where), results)
    return results


@pytest.fixture
def past(folder: Path, recorded: Path) -> None:
    """The same past in the working folder."""
    shutil.copytree(recorded, folder / "results")


def name_of(number: int) -> str:
    return f"{number:040x}"[::-1][:8]


def test_changes_are_told_with_their_commits_size_and_suspects(dsbench: Dsbench, past: None) -> None:
    text = dsbench("history", "--changes", "--asv").stdout
    assert text.startswith("1 events (1 new) with 1 changes of series, 1 suspects; asv sees")
    assert f"in {name_of(12)}..{name_of(13)}" in text
    assert "attention.prefill.flash[N=64] latency" in text
    assert "1.00 ms → 1.31 ms  +30" in text
    assert "asv: the same" in text
    assert f"about 49.6 % worse from 2025-07-09 {name_of(24)} on" in text


def test_changes_as_json_name_the_series_and_whether_they_are_new(dsbench: Dsbench, past: None) -> None:
    data = json.loads(dsbench("history", "--changes", "--format", "json", "--seen").stdout)
    ((event,), (suspect,)) = data["events"], data["suspects"]
    assert event["new"] is True
    assert (event["shifts"][0]["case"], event["shifts"][0]["worse"]) == (
        "attention.prefill.flash[N=64]",
        True,
    )
    assert event["shifts"][0]["size"] == pytest.approx(0.3, abs=0.02)
    assert suspect["case"] == "attention.prefill.math[N=64]"
    again = json.loads(dsbench("history", "--changes", "--format", "json").stdout)
    assert again["events"][0]["new"] is False


def test_since_leaves_out_what_came_before_a_date(dsbench: Dsbench, past: None) -> None:
    assert dsbench("history", "--changes", "--since", "2025-06-20").stdout.startswith("1 events")
    assert dsbench("history", "--changes", "--since", "2025-07-01").stdout.startswith("0 events")


def test_since_takes_a_git_revision(dsbench: Dsbench, repository: Commit, past: None) -> None:
    repository("now")
    assert dsbench("history", "--changes", "--since", "HEAD").stdout.startswith("0 events")


def test_the_list_of_series_marks_suspects(dsbench: Dsbench, past: None) -> None:
    text = dsbench("history", "-k", "math").stdout
    assert f"suspect: about +49.6% from {name_of(24)} on" in text
    assert "suspect" not in dsbench("history", "-k", "eager").stdout


def test_filters_choose_the_series_that_are_looked_at(dsbench: Dsbench, past: None) -> None:
    assert (
        dsbench("history", "--changes", "-k", "eager").stdout
        == "0 events (0 new) with 0 changes of series, 0 suspects\n"
    )


@pytest.mark.parametrize("options", [("--since", "2025-01-01"), ("--seen",), ("--asv",)])
def test_options_of_changes_alone_are_refused(dsbench: Dsbench, options: tuple[str, ...]) -> None:
    done = dsbench("history", *options)
    assert done.exit_code == exits.USAGE
    assert "needs --changes" in done.stderr


def test_a_wrong_date_and_a_damaged_memory_of_what_was_seen_are_refused(dsbench: Dsbench, past: None) -> None:
    done = dsbench("history", "--changes", "--since", "yesterdayish")
    assert (done.exit_code, "nor a date such as" in done.stderr) == (exits.USAGE, True)
    Path(".dsbench").mkdir(exist_ok=True)
    Path(".dsbench/seen.jsonl").write_text("[]\n")
    done = dsbench("history", "--changes")
    assert (done.exit_code, "delete it" in done.stderr) == (exits.USAGE, True)


def test_an_empty_history_has_no_changes_to_tell(dsbench: Dsbench) -> None:
    done = dsbench("history", "--changes")
    assert done.exit_code == exits.NOTHING
    assert "no history under results" in done.stderr
