"""Histories that asv recorded by itself, without dsbench."""

from __future__ import annotations

import json
from pathlib import Path

from asv.machine import Machine
from asv.results import Results
from asv.runner import BenchmarkResult
from cli_rigs import Dsbench
from make_history import made, timed

from dsbench.history import asv_series, record

DAY = 86_400
START = 1_700_000_000


def write(results: Path, number: int, values: list[float | None], version: str = "v1") -> None:
    """One of asv's result files, written by asv: a benchmark with a parameter, and one that only tracks."""
    machine = Machine()
    vars(machine).update({"machine": "box", "cpu": "Example CPU"})
    machine.save(str(results))
    store = Results(
        {"machine": "box", "cpu": "Example CPU", "python": "3.11"},
        {},
        f"{number:040x}"[::-1],
        (START + number * DAY) * 1000,
        "3.11",
        "virtualenv-py3.11",
        {},
    )
    for name, found, parameters in (
        ("bench.Suite.time_work", values, [["10", "20"]]),
        ("bench.Suite.track_score", [1.0], []),
    ):
        outcome = BenchmarkResult(
            result=found,
            samples=[None] * len(found),
            number=[None] * len(found),
            errcode=0,
            stderr="",
            profile=None,
        )
        store.add_result({"name": name, "version": version, "params": parameters}, outcome)
    store.save(str(results))


def past(results: Path) -> None:
    for number in range(30):
        slow = 1.4 if number >= 15 else 1.0
        wobble = 1 + 0.005 * (number % 3)
        write(results, number, [1e-3 * slow * wobble, None if number == 3 else 2e-3 * wobble])
    entries = {"bench.Suite.time_work": {"param_names": ["size"]}, "version": 2}
    (results / "benchmarks.json").write_text(json.dumps(entries))


def test_times_of_asv_are_series_by_their_parameters_and_failures_are_points_without_a_number(
    tmp_path: Path,
) -> None:
    past(tmp_path)
    found, problems = asv_series(tmp_path)
    assert problems == []
    assert [one.case.name for one in found] == [
        "bench.Suite.time_work.asv[size=10]",
        "bench.Suite.time_work.asv[size=20]",
    ]
    assert (found[0].machine, found[0].environment, found[0].device, found[0].metric) == (
        "box",
        "virtualenv-py3.11",
        "Example CPU",
        "latency",
    )
    assert [point.commit_time for point in found[1].points] == [START + n * DAY for n in range(30)]
    assert found[1].points[3].estimate is None
    assert found[1].points[3].reason == "asv recorded no number"


def test_another_version_of_a_benchmark_is_another_series(tmp_path: Path) -> None:
    write(tmp_path, 0, [1e-3, 2e-3])
    write(tmp_path, 1, [5e-3, 6e-3], version="v2")
    found, _ = asv_series(tmp_path)
    assert sorted((one.case.version, len(one.points)) for one in found) == [(1, 1), (1, 1), (2, 1), (2, 1)]


def test_a_file_that_asv_cannot_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path, 0, [1e-3, 2e-3])
    (tmp_path / "box" / "00000000-bad.json").write_text("{}")
    found, (problem,) = asv_series(tmp_path)
    assert len(found) == 2
    assert "00000000-bad.json: asv cannot read it" in problem


def test_what_dsbench_recorded_is_not_read_a_second_time(tmp_path: Path) -> None:
    record(made(timed()), tmp_path)
    assert asv_series(tmp_path) == ([], [])


def test_changes_are_told_of_a_history_that_only_asv_wrote(dsbench: Dsbench, folder: Path) -> None:
    past(folder / "results")
    text = dsbench("history", "--changes").stdout
    assert text.startswith("1 events (1 new) with 1 changes of series")
    assert "bench.Suite.time_work.asv[size=10] latency  on box" in text
    assert "+40" in text
