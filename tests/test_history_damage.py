"""What history does when it cannot write, cannot read, or should not mix."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from make_history import STEM, files, made, timed
from make_runs import a_case, measured

from dsbench.history import HistoryError, record, recorded
from dsbench.records import Device


def test_a_run_outside_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="run r1 has no commit"):
        record(made(timed(), commit=None, commit_time=None), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("machine", ["", "..", "a/b", ".hidden"])
def test_a_machine_that_cannot_name_a_folder_is_refused(tmp_path: Path, machine: str) -> None:
    with pytest.raises(HistoryError, match="cannot name a folder"):
        record(made(timed(), machine=machine), tmp_path)


def test_a_reading_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="run r1 cannot be recorded"):
        record(made(measured(a_case(), "latency", {"latency": [[float("nan")]]})), tmp_path)
    assert files(tmp_path) == {}


def test_results_of_two_devices_are_not_mixed(tmp_path: Path) -> None:
    record(made(timed()), tmp_path)
    before = files(tmp_path)
    with pytest.raises(HistoryError, match=r"device 'Fake Two' would mix .+ 'Fake One'"):
        record(made(timed(), device=Device("fake", "Fake Two")), tmp_path)
    assert files(tmp_path) == before


def test_commits_that_begin_alike_are_not_mixed(tmp_path: Path) -> None:
    record(made(timed()), tmp_path)
    with pytest.raises(HistoryError, match=r"commit '1a2b3c4d0+' would mix"):
        record(made(timed(), commit="1a2b3c4d" + "0" * 32), tmp_path)


def test_a_folder_that_cannot_be_made_stays_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(OSError, match="results"):
        record(made(timed()), tmp_path / "results")


def test_when_a_file_cannot_be_written_nothing_has_changed(tmp_path: Path) -> None:
    record(made(timed()), tmp_path)
    (tmp_path / "m2").write_text("where the second machine's folder would be")
    before = files(tmp_path)
    with pytest.raises(OSError, match="m2"):
        record(made(timed("eager"), machine="m2"), tmp_path)
    assert files(tmp_path) == before
    assert sorted(path.name for path in (tmp_path / ".dsbench").iterdir()) == [".gitignore", "lock"]


def test_a_full_disk_stays_an_os_error_and_nothing_has_changed(tmp_path: Path) -> None:
    record(made(timed()), tmp_path)
    before = files(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))  # no file may grow larger
    try:
        with pytest.raises(OSError, match="too large"):
            record(made(*(timed(N=number) for number in range(9))), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == before


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-40],
    "empty": lambda content: b"",
    "binary": lambda content: b"\xff\xfe" + content,
    "list": lambda content: b"[]\n",
    "conflict": lambda content: b"<<<<<<< HEAD\n" + content,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_side_car_is_named_kept_and_the_rest_is_read(tmp_path: Path, how: str) -> None:
    path = record(made(timed()), tmp_path)
    record(made(timed(), machine="m2"), tmp_path)
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    runs, problems = recorded(tmp_path)
    assert [run.environment.machine for run in runs] == ["m2"]
    assert len(problems) == 1
    assert re.fullmatch(rf"{re.escape(str(path))}: .+; restore it, or move it away .+", problems[0])
    before = files(tmp_path)
    with pytest.raises(HistoryError, match=re.escape(str(path))):
        record(made(timed("eager")), tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize("how", ["cut", "empty", "binary", "conflict"])
@pytest.mark.parametrize("name", [f"m1/{STEM}.json", "m1/machine.json", "benchmarks.json"])
def test_a_damaged_file_of_asvs_is_named_kept_and_the_runs_are_read(
    tmp_path: Path, name: str, how: str
) -> None:
    record(made(timed()), tmp_path)
    path = tmp_path / name
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    runs, problems = recorded(tmp_path)
    assert (len(runs), len(problems)) == (1, 1)
    assert re.fullmatch(rf"{re.escape(str(path))}: .+; restore it, or move it away .+", problems[0])
    before = files(tmp_path)
    with pytest.raises(HistoryError, match=rf"^{re.escape(str(path))}: .+$"):
        record(made(timed("eager")), tmp_path)
    assert files(tmp_path) == before


def test_a_damaged_file_of_asvs_comes_back_whole_once_it_is_moved_away(tmp_path: Path) -> None:
    path = record(made(timed(), timed("eager")), tmp_path).with_suffix(".json")
    whole = path.read_bytes()
    path.unlink()
    record(made(timed("eager")), tmp_path)
    assert path.read_bytes() == whole


def test_no_folder_means_no_runs(tmp_path: Path) -> None:
    assert recorded(tmp_path / "nothing") == ([], [])
