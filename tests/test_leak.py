"""Leaks that are made on purpose, on the simulated device and on this host, and the lines they come from."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_probes import prepared

from dsbench.backends.cpu import CpuBackend
from dsbench.backends.fake import FakeBackend, free, hold, spend
from dsbench.metrics import evaluate
from dsbench.probes import RUN, Budget, Prepared, Workload
from dsbench.probes.leak import STEPS, measure_leak
from dsbench.records import Measurement, Status
from dsbench.registry import Candidate, benchmark

BRIEF = Budget(max_time=0.05)


class TestOnTheSimulatedDevice:
    """Whose memory is known to the byte."""

    def test_a_call_that_keeps_a_kilobyte_leaks_that_much(self) -> None:
        found = measure_leak(prepared(lambda x: hold(1024)), BRIEF)
        free(int(FakeBackend().held()["device"]))
        assert (found.status, found.notes["verdict"]) == (Status.OK, "leak")
        slope = evaluate(found)["leak_slope"]
        assert (slope.value, slope.low, slope.high) == (1024, 1024, 1024)

    def test_a_call_that_gives_everything_back_is_clean_at_the_first_look(self) -> None:
        def borrows(x: list[float]) -> None:
            spend(1e-3)
            hold(10**6)
            free(10**6)

        found = measure_leak(prepared(borrows), BRIEF)
        assert (found.notes["verdict"], evaluate(found)["leak_slope"].value) == ("clean", 0)
        assert found.notes["steps"] == 16 * STEPS[0]

    def test_what_alternates_between_steps_does_not_count(self) -> None:
        held = [0]

        def swings(x: list[float]) -> None:
            free(held[0])
            held[0] = 0 if held[0] else 5000
            hold(held[0])

        assert measure_leak(prepared(swings), BRIEF).notes["verdict"] == "clean"

    def test_a_budget_that_the_benchmark_declares_is_kept_to(self) -> None:
        found = measure_leak(prepared(lambda x: hold(1000), leak_budget=2000), BRIEF)
        free(int(FakeBackend().held()["device"]))
        assert (found.notes["verdict"], found.notes["budget"]) == ("clean", 2000)

    def test_a_cache_that_still_fills_is_unstable_with_the_reason(self) -> None:
        draw, known = random.Random(0), set[int]()

        def caches(x: list[float]) -> None:
            key = draw.randrange(1500)
            if key not in known:
                known.add(key)
                hold(1024)

        found = measure_leak(prepared(caches), BRIEF)
        free(1024 * len(known))
        assert (found.status, found.notes["verdict"]) == (Status.UNSTABLE, "unknown")
        assert "device: growth slows down" in found.reason

    def test_time_ends_a_verdict_after_the_first_look_at_least(self) -> None:
        def slow(x: list[float]) -> None:
            spend(5.0)
            hold(1024)

        found = measure_leak(prepared(slow), BRIEF)
        free(int(FakeBackend().held()["device"]))
        assert (found.notes["verdict"], found.notes["steps"]) == ("leak", 16 * STEPS[0])

    def test_one_call_takes_the_same_path_without_a_judgement(self) -> None:
        calls = [0]

        def counts(x: list[float]) -> None:
            calls[0] += 1

        found = measure_leak(prepared(counts), Budget(once=True))
        assert found.status is Status.OK
        assert calls[0] == 9

    @pytest.mark.parametrize(("leaks", "status"), [(1024, Status.OK), (8192, Status.WRONG)])
    def test_a_declared_leak_has_to_be_found_in_its_size(self, leaks: float, status: Status) -> None:
        def keeps(x: list[float]) -> None:
            hold(1024)

        declared = Candidate(keeps, leaks=leaks)

        def inputs(device: str, seed: int) -> dict[str, Any]:
            return {"x": [0.0]}

        control = benchmark(candidates={"it": declared}, baseline="it", probes=("leak",))(inputs)
        (case,) = control.cases("fake", quick=False)
        found = RUN["leak"](Prepared(case, Workload(control, case, FakeBackend(), 0), 0, keeps), BRIEF)
        free(int(FakeBackend().held()["device"]))
        assert found.status is status
        assert found.reason == (
            "" if status is Status.OK else "a leak of 8192 B a step is declared, 1024 B a step were found"
        )


kept: list[Any] = []
MODEL = torch.nn.Linear(16, 16)
X = torch.randn(4, 16)


def step() -> torch.Tensor:
    MODEL.zero_grad()
    loss = MODEL(X).square().mean()
    loss.backward()
    return loss


def keeps_tensors() -> None:
    step()
    kept.append(X.new_zeros(256))  # tensors


def keeps_graphs() -> None:
    loss = MODEL(X).square().mean()  # graphs
    kept.append(loss)


def keeps_closures() -> None:
    step()
    text = bytes(1100)  # closures
    kept.append(lambda: text)


def registers_hooks() -> None:
    step()
    state = [float(number) for number in range(50)]  # hooks
    MODEL.register_forward_hook(lambda *_: state.reverse())


def host(call: Callable[[], Any]) -> Measurement:
    """The probe on this host, whatever the call leaves behind removed."""

    def inputs(device: str, seed: int) -> dict[str, Any]:
        return {}

    declared = benchmark(candidates={"it": Candidate(call)}, baseline="it", probes=("leak",))(inputs)
    (case,) = declared.cases("cpu", quick=False)
    backend = CpuBackend()
    backend.prepare(0)
    found = measure_leak(Prepared(case, Workload(declared, case, backend, 0), 0, call), BRIEF)
    kept.clear()
    MODEL._forward_hooks.clear()
    return found


def line_of(word: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.endswith(f"  # {word}"))


class TestOnThisHost:
    """With torch's and Python's own allocators."""

    @pytest.mark.parametrize(
        ("call", "word", "seen"),
        [
            (keeps_tensors, "tensors", "tensors"),
            (keeps_graphs, "graphs", "tensors"),
            (keeps_closures, "closures", "objects of Python"),
            (registers_hooks, "hooks", "objects of Python"),
        ],
    )
    def test_a_leak_of_a_kilobyte_is_found_with_its_line(
        self, call: Callable[[], Any], word: str, seen: str
    ) -> None:
        found = host(call)
        assert found.notes["verdict"] == "leak", found.reason
        assert evaluate(found)["leak_slope"].value > 1000
        first = str(found.notes["leak_at_1"])
        assert f"test_leak.py:{line_of(word)}: " in first
        assert first.endswith(f" B a step ({seen})")

    def test_a_step_of_training_is_clean(self) -> None:
        found = host(step)
        assert found.notes["verdict"] == "clean", found.reason
        assert evaluate(found)["leak_slope"].value < 256

    def test_memory_of_the_c_library_that_is_never_freed_is_found(self) -> None:
        library = ctypes.CDLL(None)
        library.malloc.restype = ctypes.c_void_p
        taken: list[int] = []

        def native() -> None:
            step()
            taken.append(library.malloc(1024))

        assert host(native).notes["verdict"] == "leak"
        library.free.argtypes = (ctypes.c_void_p,)
        for address in taken:
            library.free(address)

    def test_files_that_stay_open_are_found(self) -> None:
        opened: list[Any] = []

        def opens() -> None:
            opened.append(open("/dev/null"))  # noqa: SIM115

        found = host(opens)
        for file in opened:
            file.close()
        assert found.notes["verdict"] == "leak"
        assert evaluate(found)["leak_files"].value == 1

    def test_garbage_that_only_the_collector_frees_is_no_leak(self) -> None:
        def cycles() -> None:
            one: list[Any] = [bytes(2000)]
            one.append(one)

        assert host(cycles).notes["verdict"] == "clean"
