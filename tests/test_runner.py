"""A run as a whole, with real child processes and the simulated device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import SUITES

from dsbench.child import Child, ChildError
from dsbench.looking import UnavailableError, begin, look_for, unavailable
from dsbench.metrics import evaluate
from dsbench.probes import Budget
from dsbench.records import Measurement, Status
from dsbench.registry import cases as cases_of
from dsbench.registry import discover, select
from dsbench.runner import Progress, Settings, execute, plan
from dsbench.runs import RunFile


def settings(rounds: int = 1, timeout: float = 60.0, seed: int = 0) -> Settings:
    return Settings(
        backend="fake",
        index=0,
        rounds=rounds,
        seed=seed,
        timeout=timeout,
        budget=Budget(0.01, 0.05, 0.05),
        quick=True,
        suites="",
    )


def measure(
    suite: str,
    path: Path,
    chosen: Settings,
    filters: tuple[str, ...] = (),
    report: Callable[[Progress], None] = print,
    waiting: Child | None = None,
) -> list[Measurement]:
    """Runs a suite of the tests and gives what came, rounds apart."""
    suites = discover(SUITES / suite)
    groups = plan(select(cases_of(suites.values(), "fake", quick=True), filters), suites)
    found: list[Measurement] = []

    def keep(progress: Progress) -> None:
        found.extend(progress.measurements)
        report(progress)

    with RunFile(path / "run.jsonl") as file:
        execute(groups, chosen, file, report=keep, waiting=waiting)
    return found


def test_times_of_known_length_are_reported_as_they_are(tmp_path: Path) -> None:
    found = {(m.case.name, m.probe): m for m in measure("steady", tmp_path, settings())}
    plain = evaluate(found["steady.double.plain[N=10]", "latency"])
    quick = evaluate(found["steady.double.quick[N=10]", "latency"])
    assert plain["latency"].value == pytest.approx(2e-3)
    assert quick["latency"].value == pytest.approx(1e-3)
    assert quick["throughput"].value == pytest.approx(20 / 1e-3)
    assert evaluate(found["steady.double.quick[N=10]", "memory"])["peak_memory"].value == 4_000_000
    assert evaluate(found["steady.double.plain[N=10]", "error"]) == {
        "error": evaluate(found["steady.double.plain[N=1]", "error"])["error"]
    }


def test_an_approximation_is_right_by_its_reference_and_its_error_is_told_by_the_oracle(
    tmp_path: Path,
) -> None:
    found = measure("steady", tmp_path, settings(), ("rough",))
    error = evaluate(next(m for m in found if m.probe == "error"))
    assert error["mismatch"].value == 0.0
    assert error["error"].value > 0.05


def test_every_round_is_a_fresh_process_with_fresh_inputs_and_samples_remember_it(tmp_path: Path) -> None:
    found = measure("steady", tmp_path, settings(rounds=3), ("rough.N=1]",))
    assert [
        {s.round for rows in m.readings.values() for s in rows} for m in found if m.probe == "latency"
    ] == [
        {0},
        {1},
        {2},
    ]
    errors = {m.readings["error"][0].value for m in found if m.probe == "error"}
    assert len(errors) == 3


def test_the_order_of_candidates_is_random_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def order(seed: int) -> list[str]:
        found = measure("steady", tmp_path, settings(rounds=4, seed=seed), ("double.*N=1]",))
        return [m.case.name for m in found if m.probe == "latency"]

    names = order(1)
    assert order(1) == names
    assert len({tuple(names[start : start + 3]) for start in range(0, 12, 3)}) > 1


FAULTS = {
    "wrong": (Status.WRONG, "relative error 0.5 is above the tolerance"),
    "not_a_number": (Status.WRONG, "relative error inf"),
    "changes_inputs": (Status.WRONG, "the call changed its inputs"),
    "other_shape": (Status.WRONG, "the answer cannot be compared"),
    "aborts": (Status.CRASHED, "the worker died of SIGABRT"),
    "killed": (Status.CRASHED, "the worker died of SIGKILL"),
    "leaves": (Status.CRASHED, "the worker left with exit code 7"),
    "hangs": (Status.TIMEOUT, "no end after 2 s"),
    "raises": (Status.ERROR, "ValueError: no such thing"),
    "exhausts": (Status.OOM, "asked for"),
    "unsupported": (Status.UNSUPPORTED, "no kernel for this device"),
    "scribbles": (Status.ERROR, "the worker sent no message but 'not a message'"),
    "too_large": (Status.UNSUPPORTED, "needs 1048576.0 GiB by its formula"),
    "misnamed": (Status.ERROR, "No module named 'no_such_module'"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of the workers that meet the faults."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def faults(faulty: Path) -> list[Measurement]:
    with contextlib.chdir(faulty):
        return measure("faults", faulty, settings(rounds=2, timeout=2.0))


@pytest.mark.parametrize("candidate", FAULTS)
def test_a_fault_costs_only_its_own_case_and_says_why(faults: list[Measurement], candidate: str) -> None:
    status, reason = FAULTS[candidate]
    mine = [m for m in faults if m.case.candidate == candidate]
    assert {m.probe for m in mine} == {"latency", "error", "memory"}
    assert {m.status for m in mine} == {status}
    assert all(reason in m.reason for m in mine)
    assert len(mine) == 3, "a case that failed is not tried again"


@pytest.mark.parametrize("candidate", ["right", "floods"])
def test_cases_beside_the_faults_are_measured_in_every_round(
    faults: list[Measurement], candidate: str
) -> None:
    mine = [m for m in faults if m.case.candidate == candidate and m.case.benchmark == "fault"]
    assert [m.status for m in mine] == [Status.OK] * 6


def test_inputs_that_cannot_be_made_are_an_error_of_the_case(faults: list[Measurement]) -> None:
    (found,) = [m for m in faults if m.case.benchmark == "bad_inputs"]
    assert (found.status, found.reason) == (Status.ERROR, "KeyError: 'weights.bin'")
    assert "Traceback" in found.detail


def test_a_crash_keeps_the_last_lines_that_were_printed(faults: list[Measurement]) -> None:
    assert "about to abort" in next(m for m in faults if m.case.candidate == "aborts").detail


def test_a_time_out_leaves_no_process_behind(faults: list[Measurement], faulty: Path) -> None:
    assert any(m.status is Status.TIMEOUT for m in faults)
    assert not [p.pid for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(faulty)]


def test_a_worker_that_cannot_start_blames_every_case_once(tmp_path: Path) -> None:
    suites = discover(SUITES / "steady")
    groups = plan(cases_of(suites.values(), "fake", quick=True)[:2], suites)
    elsewhere = settings()
    gone = Settings(**{**vars(elsewhere), "backend": "no-such-backend"})
    found: list[Measurement] = []
    with RunFile(tmp_path / "run.jsonl") as file:
        execute(groups, gone, file, report=lambda p: found.extend(p.measurements))
    assert {m.status for m in found} == {Status.CRASHED}
    assert len(found) == 2 * 3
    assert all("no-such-backend" in m.reason for m in found)


def test_everything_is_on_disk_before_the_next_case_begins(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    lines: list[tuple[int, int]] = []

    def look(progress: Progress) -> None:
        lines.append((progress.done, len(path.read_text().splitlines()) if path.exists() else 0))

    measure("steady", tmp_path, settings(), ("double",), look)
    assert all(3 * done == written for done, written in lines)
    assert lines[-1] == (6, 18)


def test_what_was_finished_is_not_measured_again(tmp_path: Path) -> None:
    first = measure("steady", tmp_path, settings(rounds=2), ("double",))
    finished = [m for m in first if m.case.candidate == "plain"]
    suites = discover(SUITES / "steady")
    groups = plan(select(cases_of(suites.values(), "fake", quick=True), ["double"]), suites)
    again: list[Measurement] = []
    with RunFile(tmp_path / "again.jsonl") as file:
        execute(groups, settings(rounds=2), file, finished, lambda p: again.extend(p.measurements))
    assert {m.case.candidate for m in again} == {"quick", "rough"}


def test_progress_counts_to_its_total(tmp_path: Path) -> None:
    seen: list[Progress] = []
    measure("faults", tmp_path, settings(rounds=3), ("right", "raises", "unsupported"), seen.append)
    assert seen[-1].done == seen[-1].total
    assert all(p.done <= p.total for p in seen)


def test_settings_come_back_from_json_as_they_were() -> None:
    chosen = settings(rounds=7)
    assert Settings.from_json(chosen.to_json()) == chosen


def test_looking_for_the_simulated_device_finds_its_environment() -> None:
    found, environment = look_for("fake")
    assert list(found) == ["fake"]
    assert environment is not None
    assert environment.device.backend == "fake"


def test_the_worker_that_looked_for_the_device_is_given_the_first_job_and_ends_with_it(
    tmp_path: Path,
) -> None:
    *_, child = begin("fake")
    assert child.process.poll() is None
    found = measure("steady", tmp_path, settings(rounds=2), waiting=child)
    assert child.process.poll() is not None
    taken = [sample.round for m in found if m.probe == "latency" for sample in m.readings["latency"]]
    assert set(taken) == {0, 1}


def test_a_waiting_worker_that_has_died_costs_no_case(tmp_path: Path) -> None:
    *_, child = begin("fake")
    child.close()
    found = measure("steady", tmp_path, settings(), waiting=child)
    assert {m.status for m in found} == {Status.OK}


def test_looking_for_a_second_device_says_how_many_there_are() -> None:
    found, environment = look_for("fake", index=1)
    assert environment is None
    assert "there is no device fake:1; there is fake:0" in str(unavailable("fake", 1, found))


def test_a_backend_that_is_not_here_says_what_was_looked_for() -> None:
    found = {"rocm": {"devices": [], "reason": "torch is built without ROCm"}}
    error = unavailable("rocm", 0, found)
    assert isinstance(error, UnavailableError)
    assert "rocm: torch is built without ROCm" in str(error)


def test_a_job_that_makes_no_sense_ends_the_worker_with_its_last_words() -> None:
    with Child({"type": "measure"}) as child, pytest.raises(ChildError, match="KeyError"):
        list(child.messages(30.0))
