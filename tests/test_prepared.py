"""What a call may do with memory, and what a candidate prepares before it is timed."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rigs import Rig, cuda, mps, real, rocm, simulated
from test_probes import prepared

from dsbench.backends.fake import FakeBackend, spend
from dsbench.metrics import evaluate
from dsbench.probes import Budget, Latency, Prepared, Workload
from dsbench.probes.prepared import BEFORE
from dsbench.records import Measurement, Status
from dsbench.registry import Candidate, benchmark


@pytest.fixture(
    params=[lambda: real("cpu"), cuda, rocm, mps, simulated], ids=["cpu", "cuda", "rocm", "mps", "fake"]
)
def rig(request: pytest.FixtureRequest) -> Rig:
    made: Rig = request.param()
    return made


def test_views_of_an_array_lie_in_its_memory_and_copies_do_not(rig: Rig) -> None:
    buffers, array = rig.backend.buffers, rig.array([1, 2, 3, 4])
    assert len(buffers({"whole": array, "part": [array[2:]], "none": None, "number": 1.0})) == 1
    assert buffers(array[1:]) == buffers(array)
    assert not buffers(rig.backend.copy(array)) & buffers(array)
    assert not buffers(array[:0])


def test_a_host_tensor_and_the_numpy_array_it_is_made_of_share_memory() -> None:
    array = np.arange(4.0)
    buffers = real("cpu").backend.buffers
    assert buffers(torch.from_numpy(array)[1:]) == buffers(array.reshape(2, 2).T)


def test_a_tensor_made_of_others_lies_in_their_memory_and_is_compared_by_them() -> None:
    inner = torch.arange(4, dtype=torch.int8)
    other = torch.arange(4, dtype=torch.int8)

    def wrapped(data: torch.Tensor) -> Any:
        return SimpleNamespace(data=data, __tensor_flatten__=lambda: (["data"], None))

    backend = real("cpu").backend
    assert backend.buffers({"weight": wrapped(inner)}) == backend.buffers(inner)
    assert backend.identical(wrapped(inner), wrapped(other))
    other[0] = 1
    assert not backend.identical(wrapped(inner), wrapped(other))


def timed(ready: Prepared) -> Measurement:
    timing = Latency(ready, Budget(0.05, 0.25, 0.02))
    while not timing.done:
        timing.turn()
    return timing.measurement()


def test_an_answer_that_shares_memory_with_the_inputs_is_wrong() -> None:
    def views(x: list[float], table: Any) -> Any:
        return table[1:]

    def inputs(device: str, seed: int) -> Mapping[str, Any]:
        return {"x": [1.0], "table": np.arange(3.0)}

    declared = benchmark(
        candidates={"it": Candidate(views)}, baseline="it", oracle=lambda x, table: [1.0], probes=("error",)
    )(inputs)
    (case,) = declared.cases("fake", quick=False)
    ready = Prepared(case, Workload(declared, case, FakeBackend(), seed=0), 0, views)
    assert ready.check(BEFORE).problem == "the answer shares memory with the inputs"


def test_a_buffer_that_is_used_for_every_answer_is_wrong_after_timing() -> None:
    buffer = np.zeros(1)

    def reuses(x: list[float]) -> Any:
        spend(1e-3)
        buffer[0] = 2 * x[0]
        return buffer

    ready = prepared(reuses, oracle=lambda x: np.array([2 * x[0]]))
    assert ready.check(BEFORE).problem == ""
    found = timed(ready)
    assert found.status is Status.WRONG
    assert found.reason.endswith("the answer lies in the memory of an earlier answer, which it overwrites")


def test_fresh_answers_are_right_even_where_memory_is_taken_again() -> None:
    def fresh(x: list[float]) -> Any:
        spend(1e-3)
        return np.array([2 * x[0]])

    ready = prepared(fresh, oracle=lambda x: np.array([2 * x[0]]))
    assert ready.check(BEFORE).problem == ""
    assert timed(ready).status is Status.OK


def test_what_a_candidate_prepares_is_what_it_is_called_with_and_is_made_before_anything_is_timed() -> None:
    def prepare(x: list[float]) -> Mapping[str, Any]:
        spend(50.0)
        return {"doubled": [2 * x[0]]}

    def call(doubled: list[float]) -> list[float]:
        spend(1e-3)
        return [doubled[0] + 1]

    def inputs(device: str, seed: int) -> Mapping[str, Any]:
        return {"x": [float(seed + 1)]}

    declared = benchmark(
        candidates={"it": Candidate(call, prepare=prepare)},
        baseline="it",
        oracle=lambda x: [2 * x[0] + 1],
        probes=("latency", "error"),
    )(inputs)
    (case,) = declared.cases("fake", quick=False)
    found = timed(Prepared(case, Workload(declared, case, FakeBackend(), seed=0), 0, call))
    assert found.status is Status.OK
    assert evaluate(found)["latency"].value == pytest.approx(1e-3)
    assert evaluate(found)["compile_time"].value == pytest.approx(0.0, abs=1e-9)


def test_a_candidate_that_changes_what_it_prepared_is_wrong() -> None:
    def call(weights: list[float]) -> list[float]:
        weights[0] += 1.0
        return [2.0]

    def inputs(device: str, seed: int) -> Mapping[str, Any]:
        return {"x": [1.0]}

    declared = benchmark(
        candidates={"it": Candidate(call, prepare=lambda x: {"weights": [x[0]]})},
        baseline="it",
        oracle=lambda x: [2.0],
        probes=("error",),
    )(inputs)
    (case,) = declared.cases("fake", quick=False)
    ready = Prepared(case, Workload(declared, case, FakeBackend(), seed=0), 0, call)
    assert ready.check(BEFORE).problem == "the call changed its inputs"
