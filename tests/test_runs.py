"""Files of runs: none is lost, and each is found by what people call it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from make_runs import example

from dsbench import runs
from dsbench.records import Run
from dsbench.runs import RunFile


def test_a_run_file_moves_to_the_temporary_folder_when_its_own_refuses(tmp_path: Path) -> None:
    blocked = tmp_path / "file-where-a-folder-should-be"
    blocked.write_text("")
    with RunFile(blocked / "runs" / "x.jsonl") as file:
        file.append({"type": "end", "ended": 1.0})
    assert file.path.name == "x.jsonl"
    assert file.path.read_text() == '{"type":"end","ended":1.0}\n'


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"type":"end","ended":1.0}\n{"type":"en')
    with RunFile(path) as file:
        file.append({"type": "end", "ended": 2.0})
    assert path.read_text() == '{"type":"end","ended":1.0}\n{"type":"end","ended":2.0}\n'


def test_a_full_disk_moves_the_run_and_loses_nothing(tmp_path: Path) -> None:
    # /dev/full refuses every write with "no space left on device".
    file = RunFile(Path("/dev/full"))
    file.append({"type": "end", "ended": 3.0})
    file.close()
    assert file.path.parent != Path("/dev")
    assert file.path.read_text() == '{"type":"end","ended":3.0}\n'


def test_references_find_runs_by_id_name_file_and_recency(folder: Path) -> None:
    for number in (1, 2):
        run = example(id=f"2026010{number}-000000-abc")
        with RunFile(runs.STATE / "runs" / f"{run.id}.jsonl") as file:
            for line in run.lines():
                file.append(json.loads(line))
    saved = runs.save(example(id="other"), "before")

    def name(reference: str) -> str:
        found = runs.find(reference)
        assert isinstance(found, Run)
        return found.id

    assert name("latest") == "20260102-000000-abc"
    assert name("20260101") == "20260101-000000-abc"
    assert name("before") == name(str(saved)) == "other"
    assert runs.find("nothing") is None
    with pytest.raises(runs.RunError, match="beginning of 2 runs"):
        runs.find("2026")
    with pytest.raises(runs.RunError, match="no name to save under"):
        runs.save(example(), "../escape")


def test_of_two_runs_of_one_second_the_one_written_last_is_the_latest(folder: Path) -> None:
    (folder / "runs").mkdir()
    for age, end in enumerate("ba"):
        run = replace(example(), id=f"20261125-120000-aaaaaaaa-{end}")
        path = folder / "runs" / f"{run.id}.jsonl"
        path.write_text("\n".join(run.lines()))
        os.utime(path, (age, age))
    latest = runs.find("latest", folder)
    assert latest is not None
    assert latest.id.endswith("-a")
