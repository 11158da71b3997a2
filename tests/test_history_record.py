"""What a recording leaves on disk, and how recordings join."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from make_history import STEM, files, made, strict, timed
from make_runs import a_case, failed, measured

from dsbench.history import record, recorded, series
from dsbench.records import Device, Status
from dsbench.stats.intervals import of_rounds

LATENCY = "attention.prefill.latency"


def described(results: Path, benchmark: str = LATENCY) -> Any:
    return strict(results / "benchmarks.json")[benchmark]


def stored(results: Path, benchmark: str = LATENCY) -> dict[str, Any]:
    """The columns of a benchmark in asv's file; trailing empty ones are not written."""
    data = strict(results / "m1" / f"{STEM}.json")
    return dict(zip(data["result_columns"], data["results"][benchmark], strict=False))


def test_files_lie_where_asv_looks_for_them(tmp_path: Path) -> None:
    path = record(made(timed()), tmp_path)
    assert path == tmp_path / "m1" / f"{STEM}.jsonl"
    asvs = {"benchmarks.json", "m1/machine.json", f"m1/{STEM}.json"}
    assert set(files(tmp_path)) == {*asvs, f"m1/{STEM}.jsonl"}


def test_the_side_car_is_the_runs_own_file(tmp_path: Path) -> None:
    run = made(timed(), failed(a_case("eager"), "latency", Status.OOM, "too large", "Traceback\u2028..."))
    with record(run, tmp_path).open(encoding="utf-8") as lines:
        assert [line.rstrip("\n") for line in lines] == run.lines()


def test_recording_again_replaces_what_was_measured_again_and_keeps_the_rest(tmp_path: Path) -> None:
    record(made(timed(), timed("eager"), versions={"torch": "2.9.0"}), tmp_path)
    broken = failed(a_case("flash"), "latency", Status.OOM, "too large")
    record(made(broken, timed("paged"), versions={"torch": "2.10.0"}, name="r2"), tmp_path)
    (run,), problems = recorded(tmp_path)
    assert (run.id, problems) == ("r2", [])
    assert [(m.case.candidate, m.status) for m in run.measurements] == [
        ("flash", Status.OOM),
        ("eager", Status.OK),
        ("paged", Status.OK),
    ]
    assert run.measurements[1].notes == {"run": "r1", "environment": "torch 2.9.0"}
    assert len(run.planned) == 3
    assert stored(tmp_path)["params"] == [["'flash'", "'eager'", "'paged'"]]
    assert stored(tmp_path)["result"] == [None, pytest.approx(1e-3, rel=1e-3), pytest.approx(1e-3, rel=1e-3)]
    assert [one.points[0].run for one in series([run])] == ["r2", "r1", "r2"]


def test_recording_the_same_run_twice_changes_no_file(tmp_path: Path) -> None:
    run = made(timed(), failed(a_case("eager"), "latency", Status.OOM, "too large"))
    record(run, tmp_path)
    before = files(tmp_path)
    record(run, tmp_path)
    assert files(tmp_path) == before


def test_parameter_values_of_all_backends_stay_in_the_order_they_came(tmp_path: Path) -> None:
    record(made(timed("flash", N=64), timed("flash", N=4096), device=Device("cuda", "Example H1")), tmp_path)
    record(made(timed("eager", N=16), timed("eager", N=64)), tmp_path)
    assert described(tmp_path)["params"] == [["'flash'", "'eager'"], ["64", "4096", "16"]]
    assert stored(tmp_path)["params"] == [["'eager'"], ["16", "64"]]


def test_a_benchmark_that_is_not_in_this_run_stays_described(tmp_path: Path) -> None:
    record(made(timed()), tmp_path)
    record(made(timed(benchmark="decode")), tmp_path)
    assert described(tmp_path)["params"] == described(tmp_path, "attention.decode.latency")["params"]
    assert len(stored(tmp_path)["samples"][0]) == 15


def test_a_lost_benchmarks_file_is_made_again_from_every_run(tmp_path: Path) -> None:
    record(made(timed(), machine="m2"), tmp_path)
    (tmp_path / "benchmarks.json").unlink()
    record(made(timed(benchmark="decode")), tmp_path)
    assert described(tmp_path)["params"] == [["'flash'"]]


def test_a_new_version_starts_anew_and_an_old_one_does_not_come_back(tmp_path: Path) -> None:
    old = made(timed(N=64))
    record(old, tmp_path)
    new = timed(M=8)
    record(made(replace(new, case=replace(new.case, version=2)), commit="9" * 40), tmp_path)
    record(old, tmp_path)
    entry = described(tmp_path)
    assert (entry["version"], entry["param_names"], entry["params"]) == (
        "2",
        ["candidate", "M"],
        [["'flash'"], ["8"]],
    )
    assert stored(tmp_path)["version"] == "1"
    assert [one.case.version for one in series(recorded(tmp_path)[0])] == [1, 2]


def test_statistics_are_a_99_percent_interval_over_rounds(tmp_path: Path) -> None:
    rounds = [[1.0] * 5, [1.1] * 5, [1.2] * 5]
    record(made(measured(a_case(), "latency", {"latency": rounds})), tmp_path)
    row, expected = stored(tmp_path), of_rounds(rounds, confidence=0.99)
    assert row["result"] == [pytest.approx(expected.value)]
    assert row["stats_ci_99_a"] == [pytest.approx(expected.low, rel=1e-4)]
    assert row["stats_ci_99_b"] == [pytest.approx(expected.high, rel=1e-4)]
    assert (row["stats_repeat"], row["samples"]) == ([15], [[value for values in rounds for value in values]])


def test_too_few_readings_for_an_interval_are_stored_without_statistics(tmp_path: Path) -> None:
    record(made(measured(a_case(), "latency", {"latency": [[1.5]]})), tmp_path)
    row = stored(tmp_path)
    assert (row["result"], row["samples"], row["stats_ci_99_a"]) == ([1.5], [[1.5]], None)


def test_versions_are_requirements_and_split_no_series(tmp_path: Path) -> None:
    old = made(timed(), versions={"torch": "2.9.0"})
    new = made(timed(), versions={"torch": "2.10.0"}, os="Linux 7.0", python="3.12.9", commit="9" * 40)
    before, after = (strict(record(run, tmp_path).with_suffix(".json")) for run in (old, new))
    assert (before["requirements"]["torch"], after["requirements"]["torch"]) == ("2.9.0", "2.10.0")
    assert before["params"] == after["params"]
    machine = {"machine", "os", "cpu", "num_cpu", "ram"}
    assert set(before["params"]) == {*machine, "backend", "device", "python"}


def test_machine_facts_stay_as_first_recorded(tmp_path: Path) -> None:
    record(made(timed()), tmp_path)
    before = (tmp_path / "m1" / "machine.json").read_bytes()
    record(made(timed(), cores=99, commit="9" * 40), tmp_path)
    assert (tmp_path / "m1" / "machine.json").read_bytes() == before


def test_a_case_that_never_worked_still_has_a_series(tmp_path: Path) -> None:
    record(made(failed(a_case(), "latency", Status.CRASHED, "killed by signal 11")), tmp_path)
    assert stored(tmp_path)["result"] is None
    (one,) = series(recorded(tmp_path)[0])
    assert (one.metric, one.points[0].status, one.points[0].estimate) == ("latency", Status.CRASHED, None)


def test_a_failure_counts_only_for_the_metrics_its_benchmark_is_measured_by(tmp_path: Path) -> None:
    record(made(timed(), failed(a_case("eager"), "latency", Status.OOM, "too large")), tmp_path)
    assert [one.metric for one in series(recorded(tmp_path)[0])] == ["latency", "latency"]


def test_nan_that_asv_wrote_becomes_null(tmp_path: Path) -> None:
    path = record(made(timed()), tmp_path).with_suffix(".json")
    data = strict(path)
    data["results"]["other.benchmark"] = [[float("nan"), float("inf")], [["1", "2"]], "1"]
    path.write_text(json.dumps(data))
    record(made(timed("eager")), tmp_path)
    assert stored(tmp_path, "other.benchmark")["result"] == [None, None]


def record_one(task: tuple[Path, str, int]) -> Path:
    """What each of several processes does at once: a case of its own, all of one commit."""
    folder, machine, number = task
    return record(made(timed(N=number), machine=machine, name=f"r{number}"), folder)


def test_processes_that_record_at_once_lose_nothing(tmp_path: Path) -> None:
    tasks = [(tmp_path, f"m{1 + number % 2}", number) for number in range(24)]
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        started = [pool.submit(record_one, task) for task in tasks]
        while not all(future.done() for future in started):
            assert recorded(tmp_path)[1] == []  # a reader meets no half a file
        assert all(future.exception() is None for future in started)
    runs, problems = recorded(tmp_path)
    assert problems == []
    assert sorted(m.case.at["N"] for run in runs for m in run.measurements) == list(range(24))
    assert sorted(map(int, described(tmp_path)["params"][1])) == list(range(24))
    assert len(stored(tmp_path)["result"]) == 12


def test_reading_history_imports_neither_asv_nor_torch() -> None:
    code = "import sys, dsbench.history; sys.exit(str({'asv', 'torch', 'pandas'} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
