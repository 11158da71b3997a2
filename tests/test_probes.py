"""When sampling stops and what it says, on a clock that is known to the last digit."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dsbench.backends.fake import FakeBackend, disturb, hold, spend
from dsbench.metrics import evaluate
from dsbench.probes import RUN, Budget, Latency, Prepared, Workload
from dsbench.probes.latency import MOST, RETRIES
from dsbench.probes.prepared import BEFORE
from dsbench.records import Measurement, Status
from dsbench.registry import Candidate, benchmark


def prepared(function: Callable[..., Any], **declared: Any) -> Prepared:
    """A candidate made ready on the simulated device; it gets one number, `x`."""

    def inputs(device: str, seed: int) -> Mapping[str, Any]:
        return {"x": [float(seed + 1)]}

    complete = benchmark(candidates={"it": Candidate(function)}, baseline="it", **declared)(inputs)
    (case,) = complete.cases("fake", quick=False)
    return Prepared(case, Workload(complete, case, FakeBackend(), seed=0), 0, function)


def latency(function: Callable[..., Any], budget: Budget, **declared: Any) -> Measurement:
    timing = Latency(prepared(function, **declared), budget)
    while not timing.done:
        timing.turn()
    return timing.measurement()


def test_a_steady_call_stops_when_its_interval_is_narrow() -> None:
    found = latency(lambda x: spend(2e-3), Budget(min_time=0.1, max_time=0.5, max_noise=0.02))
    assert found.status is Status.OK
    assert str(found.notes["stop"]).startswith("interval ±0.00% within ±2.00%")
    assert 0.1 <= sum(s.value * s.calls for s in found.readings["latency"]) < 0.2


def test_a_noisy_call_stops_at_the_time_limit_and_is_unstable() -> None:
    draw = random.Random(0)
    found = latency(lambda x: spend(draw.choice([1e-3, 9e-3])), Budget(0.05, 0.25, max_noise=0.001))
    assert found.status is Status.UNSTABLE
    assert found.reason.startswith("time limit 0.25 s: interval ±")
    assert found.readings["latency"]


def test_warm_up_lasts_until_the_readings_settle_and_is_not_among_them() -> None:
    left = [0.05]

    def warms_up(x: list[float]) -> None:
        spend(1e-3 + left[0])
        left[0] *= 0.8

    found = latency(warms_up, Budget(0.05, 1.0, 0.02))
    assert str(found.notes["warm_up"]).startswith("settled after")
    assert max(s.value for s in found.readings["latency"]) < 1.3e-3


def test_a_first_call_that_compiles_is_a_metric_of_its_own_and_never_among_the_samples() -> None:
    compiled: list[bool] = []

    def compiles(x: list[float]) -> None:
        spend(1e-3 if compiled else 30.0)
        compiled.append(True)

    found = latency(compiles, Budget(0.05, 0.25, 0.02))
    assert evaluate(found)["compile_time"].value == pytest.approx(30.0 - 1e-3)
    assert max(s.value for s in found.readings["latency"]) == pytest.approx(1e-3)


def test_a_short_call_is_looped_until_the_clock_can_see_it() -> None:
    found = latency(lambda x: spend(1e-7), Budget(0.05, 0.25, 0.02))
    calls = found.readings["latency"][0].calls
    assert calls * 1e-7 >= 0.05 / MOST
    assert found.readings["latency"][0].value == pytest.approx(1e-7)


def test_a_call_longer_than_the_time_limit_is_sampled_three_times_without_a_cold_reading() -> None:
    found = latency(lambda x: spend(10.0), Budget(0.05, 0.25, 0.02))
    assert len(found.readings["latency"]) == 3
    assert found.status is Status.OK
    assert "latency_cold" not in found.readings
    assert "outlasts the time limit" in str(found.notes["latency_cold_stop"])


def test_a_disturbed_turn_is_marked_kept_and_taken_again_a_bounded_number_of_times() -> None:
    def disturbed(x: list[float]) -> None:
        spend(1e-3)
        disturb("a neighbour")

    def quiet(x: list[float]) -> None:
        spend(1e-3)

    budget = Budget(0.05, 0.25, 0.02)
    marked = latency(disturbed, budget).readings["latency"]
    disturb()
    unmarked = latency(quiet, budget).readings["latency"]
    assert {s.mark for s in marked} == {"a neighbour is on the device too"}
    assert {s.mark for s in unmarked} == {""}
    turn = 17  # readings: a third of the least time, at a millisecond each
    assert len(marked) == pytest.approx(len(unmarked) + RETRIES * turn, abs=turn)


def test_what_the_host_needs_to_launch_a_call_is_not_taken_where_the_host_computes() -> None:
    found = latency(lambda x: spend(1e-3), Budget(0.05, 0.25, 0.02))
    assert "launch_overhead" not in found.readings
    assert "nothing is launched" in str(found.notes["launch_overhead_stop"])


def test_a_graph_is_timed_only_when_it_is_asked_for_and_where_there_are_none_a_note_says_so() -> None:
    budget = Budget(0.05, 0.25, 0.02, graph=True)
    assert "no graphs" in str(latency(lambda x: spend(1e-3), budget).notes["latency_graph_stop"])
    assert "latency_graph_stop" not in latency(lambda x: spend(1e-3), Budget(0.05, 0.25, 0.02)).notes


def test_warm_readings_alone_are_taken_where_nothing_else_is_asked_for() -> None:
    found = latency(lambda x: spend(1e-3), Budget(0.05, 0.25, 0.02, warm_only=True))
    assert set(found.readings) == {"latency", "compile_time"}


def test_cold_readings_are_a_metric_of_their_own() -> None:
    found = latency(lambda x: spend(1e-3), Budget(0.05, 0.25, 0.02))
    assert min(s.value for s in found.readings["latency_cold"]) > 1e-3


def test_warm_data_decide_how_long_a_case_is_sampled_and_other_readings_end_with_them() -> None:
    found = latency(lambda x: spend(1e-3), Budget(min_time=0.1, max_time=0.5, max_noise=0.02))
    assert str(found.notes["latency_cold_stop"]).startswith("with latency: interval ±")
    assert 3 <= len(found.readings["latency_cold"]) < len(found.readings["latency"])


def test_a_budget_of_one_call_takes_one_reading() -> None:
    found = latency(lambda x: spend(1e-3), Budget(once=True))
    assert [s.value for s in found.readings["latency"]] == [pytest.approx(1e-3)]


def test_an_answer_that_turns_wrong_during_timing_is_wrong() -> None:
    calls = [0]

    def wears_out(x: list[float]) -> list[float]:
        calls[0] += 1
        spend(1e-3)
        return [x[0] * (2.0 if calls[0] < 10 else 3.0)]

    found = latency(
        wears_out, Budget(0.05, 0.25, 0.02), oracle=lambda x: [2 * x[0]], probes=("latency", "error")
    )
    assert found.status is Status.WRONG
    assert found.reason.startswith("after timing: relative error 0.5")


def test_a_candidate_that_changes_its_inputs_does_not_spoil_those_of_the_others() -> None:
    def changes(x: list[float]) -> list[float]:
        x[0] += 1.0
        return [2 * x[0]]

    spoiling = prepared(changes, oracle=lambda x: [2 * x[0]], probes=("error",))
    spoiling.workload.expected(BEFORE)
    assert spoiling.check(BEFORE).problem == "the call changed its inputs"
    right = Prepared(spoiling.case, spoiling.workload, 0, lambda x: [2 * x[0]])
    assert right.check(BEFORE).problem == ""


def test_the_error_probe_reads_the_distance_to_the_oracle() -> None:
    ready = prepared(lambda x: [2.000001 * x[0]], oracle=lambda x: [2 * x[0]], probes=("error",))
    (sample,) = RUN["error"](ready, Budget()).readings["error"]
    assert sample.value == pytest.approx(5e-7, rel=1e-3)


def test_the_sqnr_is_the_error_in_decibels_and_an_exact_answer_has_none() -> None:
    declared: dict[str, Any] = {"oracle": lambda x: [2 * x[0]], "probes": ("sqnr",), "tolerance": 0.1}
    found = RUN["sqnr"](prepared(lambda x: [2.02 * x[0]], **declared), Budget())
    assert evaluate(found)["sqnr"].value == pytest.approx(40.0)
    exact = RUN["sqnr"](prepared(lambda x: [2 * x[0]], **declared), Budget())
    assert (exact.status, exact.reason[:27]) == (Status.UNSUPPORTED, "the relative error is 0, wh")


def test_the_memory_probe_reads_what_a_call_held_at_most() -> None:
    ready = prepared(lambda x: hold(5000), probes=("memory",))
    (sample,) = RUN["memory"](ready, Budget(once=True)).readings["peak_memory"]
    assert sample.value == 5000.0
