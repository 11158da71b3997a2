"""The suite `attention`: what it declares, and that all of it can be found."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dsbench.registry import Benchmark, builtin_suites, load, resolve, select

PATH = builtin_suites() / "attention.py"


@pytest.fixture(scope="module")
def prefill() -> Benchmark:
    suite = load(PATH)
    assert not suite.error
    return suite.benchmarks["prefill"]


def test_reading_the_suite_imports_no_torch() -> None:
    program = (
        "import sys; from pathlib import Path; from dsbench.registry import load; "
        f"suite = load(Path({str(PATH)!r})); print(suite.error, *suite.benchmarks, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PATH.parent.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["prefill", "False"]


def test_the_baseline_is_what_torch_chooses_and_the_article_is_a_candidate(prefill: Benchmark) -> None:
    assert prefill.baseline == "sdpa"
    assert list(prefill.candidates) == [
        "dense_eager", "sdpa", "sdpa_math", "sdpa_flash", "sdpa_efficient", "sdpa_cudnn", "flex",
        "topk_masked", "topk_gathered", "block_topk",
    ]  # fmt: skip
    assert prefill.probes == ("latency", "error", "memory")


def test_sparse_candidates_alone_have_a_reference_of_their_own(prefill: Benchmark) -> None:
    assert [name for name, candidate in prefill.candidates.items() if candidate.reference] == [
        "topk_masked", "topk_gathered", "block_topk",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "quick", "lengths", "count"),
    [
        ("cpu", True, {256, 1024}, 40),
        ("cpu", False, {256, 1024, 4096}, 240),
        ("mps", False, {256, 1024, 4096}, 240),
        ("cuda", True, {256, 1024}, 40),
        ("cuda", False, {256, 1024, 4096, 16384, 65536}, 300),
        ("rocm", False, {256, 1024, 4096, 16384, 65536}, 300),
    ],
)
def test_each_device_gets_the_lengths_it_can_reach(
    prefill: Benchmark, backend: str, quick: bool, lengths: set[int], count: int
) -> None:
    cases = prefill.cases(backend, quick)
    assert len(cases) == count
    assert {case.at["N"] for case in cases} == lengths
    assert {case.at["dtype"] for case in cases} == {"float32", "bfloat16"}
    assert {case.at["causal"] for case in cases} == ({True} if quick else {True, False})
    assert {case.at["D"] for case in cases} == ({64} if quick else {64, 128})


def test_a_case_is_named_by_its_point(prefill: Benchmark) -> None:
    name = "attention.prefill.block_topk[N=1024,D=64,dtype=bfloat16,causal=True]"
    assert [case.name for case in select(prefill.cases("cpu", quick=True), [name])] == [name]


def test_every_formula_takes_every_point(prefill: Benchmark) -> None:
    for case in prefill.cases("cuda", quick=False):
        work = prefill.work_of(case)
        memory = prefill.candidates[case.candidate].memory
        assert work.flops
        assert work.bytes
        assert memory is not None
        # What a call holds is at least what it reads and writes once.
        assert resolve(memory)(**case.at) >= resolve("reference_models.attention.dense:tensors")(**case.at)


def test_inputs_go_through_every_candidate_that_the_cpu_has(prefill: Benchmark) -> None:
    point: dict[str, Any] = {"N": 256, "D": 64, "dtype": "float32", "causal": True}
    inputs = prefill.inputs(**point, device="cpu", seed=0)
    assert prefill.oracle is not None
    assert isinstance(prefill.tolerance, str)
    expected, tolerance = resolve(prefill.oracle)(**inputs), resolve(prefill.tolerance)(**point)
    # flex takes seconds to compile and has a test of its own.
    for name in set(prefill.candidates) - {"flex", "sdpa_efficient", "sdpa_cudnn"}:
        candidate = prefill.candidates[name]
        right = resolve(candidate.reference)(**inputs) if candidate.reference else expected
        out = resolve(candidate.function)(**inputs).double()
        assert float((out - right).norm() / right.norm()) <= tolerance, name
