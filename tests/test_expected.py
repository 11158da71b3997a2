"""Cases that are expected of a machine: declared by `gate --accept`, missing when a run lacks them."""

from __future__ import annotations

import json
from pathlib import Path

from cli_rigs import FAKE, STEADY, Dsbench


def run(dsbench: Dsbench, *options: str) -> None:
    assert dsbench("run", *STEADY, *FAKE, "--rounds", "3", *options).exit_code == 0


def expected(folder: Path) -> Path:
    (path,) = (folder / "results").glob("*/expected-fake.jsonl")
    return path


def test_a_case_that_was_accepted_and_is_absent_later_is_missing_even_without_a_past(
    folder: Path, dsbench: Dsbench
) -> None:
    run(dsbench, "--no-record")
    assert dsbench("gate", "--accept").exit_code == 0
    path = expected(folder)
    gone = json.loads(path.read_text().splitlines()[0]) | {"candidate": "retired"}
    path.write_text(path.read_text() + json.dumps(gone) + "\n")
    result = dsbench("gate", "--format", "json")
    missing = [v for v in json.loads(result.stdout)["verdicts"] if v["outcome"] == "missing"]
    assert [verdict["case"]["candidate"] for verdict in missing] == ["retired"]
    assert result.exit_code == 4


def test_a_narrower_run_is_only_asked_for_what_its_options_chose(folder: Path, dsbench: Dsbench) -> None:
    run(dsbench, "--no-record")
    dsbench("gate", "--accept")
    names = [json.loads(line)["candidate"] for line in expected(folder).read_text().splitlines()]
    run(dsbench, "--no-record", "-k", names[0])
    found = json.loads(dsbench("gate", "--format", "json").stdout)["verdicts"]
    assert not [verdict for verdict in found if verdict["outcome"] == "missing"]


def test_a_narrowed_run_cannot_be_accepted(folder: Path, dsbench: Dsbench) -> None:
    run(dsbench, "--no-record", "-k", "steady")
    result = dsbench("gate", "--accept")
    assert result.exit_code == 2
    assert "did not measure everything" in result.stderr
    assert not list((folder / "results").glob("*/expected-*"))


def test_a_damaged_file_is_refused_in_one_line(folder: Path, dsbench: Dsbench) -> None:
    run(dsbench, "--no-record")
    dsbench("gate", "--accept")
    expected(folder).write_text("{\n")
    result = dsbench("gate")
    assert result.exit_code == 2
    assert "dsbench gate --accept" in result.stderr.strip().splitlines()[-1]
