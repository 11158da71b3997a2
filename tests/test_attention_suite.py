"""The suite `attention`: what it declares, and that all of it can be found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from dsbench.registry import Benchmark, builtin_suites, load, resolve, select
from reference_models.attention import dense

PATH = builtin_suites() / "attention.py"


@pytest.fixture(scope="module")
def benchmarks() -> Mapping[str, Benchmark]:
    suite = load(PATH)
    assert not suite.error
    return suite.benchmarks


@pytest.fixture(scope="module")
def prefill(benchmarks: Mapping[str, Benchmark]) -> Benchmark:
    return benchmarks["prefill"]


def test_reading_the_suite_imports_no_torch() -> None:
    program = (
        "import sys; from pathlib import Path; from dsbench.registry import load; "
        f"suite = load(Path({str(PATH)!r})); print(suite.error, *suite.benchmarks, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PATH.parent.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["prefill", "select", "attend", "decode", "False"]


def test_the_baseline_is_what_torch_chooses_and_the_article_is_a_candidate(prefill: Benchmark) -> None:
    assert prefill.baseline == "sdpa"
    assert list(prefill.candidates) == [
        "dense_eager", "sdpa", "sdpa_math", "sdpa_flash", "sdpa_efficient", "sdpa_cudnn", "flex",
        "topk_masked", "topk_gathered", "block_topk", "block_wide", "block_fixed", "flex_blocks", "moba",
        "nsa", "quest", "pooled", "sampled", "dsa", "top_p", "window", "mass",
    ]  # fmt: skip
    assert prefill.probes == ("latency", "error", "memory")


def test_sparse_candidates_alone_have_a_reference_of_their_own(prefill: Benchmark) -> None:
    assert [name for name, candidate in prefill.candidates.items() if candidate.reference] == [
        "topk_masked", "topk_gathered", "block_topk", "block_wide", "block_fixed", "flex_blocks", "moba",
        "nsa", "quest", "pooled", "sampled", "dsa", "top_p", "window", "mass",
    ]  # fmt: skip


def test_a_quick_run_of_everything_has_few_cases(benchmarks: Mapping[str, Benchmark]) -> None:
    count = {name: len(declared.cases("cpu", quick=True)) for name, declared in benchmarks.items()}
    assert count == {"prefill": 16, "select": 2, "attend": 2, "decode": 3}


@pytest.mark.parametrize(
    ("backend", "quick", "lengths", "count"),
    [
        ("cpu", True, {1024}, 16),
        ("cpu", False, {256, 1024, 4096}, 528),
        ("mps", False, {256, 1024, 4096}, 528),
        ("cuda", True, {1024}, 16),
        ("cuda", False, {256, 1024, 4096, 16384, 65536}, 660),
        ("rocm", False, {256, 1024, 4096, 16384, 65536}, 660),
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


@pytest.mark.parametrize("name", ["prefill", "select", "attend", "decode"])
def test_every_formula_takes_every_point(benchmarks: Mapping[str, Benchmark], name: str) -> None:
    for case in benchmarks[name].cases("cuda", quick=False):
        work = benchmarks[name].work_of(case)
        memory = benchmarks[name].candidates[case.candidate].memory
        assert work.flops or case.name.startswith("attention.select.window")
        assert work.bytes
        assert memory is not None
        # What a call holds is at least its inputs.
        least = "decode:cache_bytes" if name == "decode" else "dense:tensors"
        assert resolve(memory)(**case.at) >= resolve(f"reference_models.attention.{least}")(**case.at)


POINTS: dict[str, dict[str, Any]] = {
    "prefill": {"N": 192, "D": 64, "dtype": "float32", "causal": True},
    "attend": {"selection": "moba", "N": 192, "D": 64, "dtype": "float32", "causal": True},
    "decode": {"N": 192, "D": 64, "Hkv": 4, "dtype": "float32"},
}
# FlexAttention takes seconds to compile and has tests of its own, as Triton's kernels have; the CPU lacks the
# others.
ELSEWHERE = {"flex", "flex_blocks", "fused", "sdpa_efficient", "sdpa_cudnn"}


@pytest.mark.parametrize("name", POINTS)
def test_inputs_go_through_every_candidate_that_the_cpu_has(
    benchmarks: Mapping[str, Benchmark], name: str
) -> None:
    declared, point = benchmarks[name], POINTS[name]
    inputs = declared.inputs(**point, device="cpu", seed=0)
    assert declared.oracle is not None
    assert isinstance(declared.tolerance, str)
    expected, tolerance = resolve(declared.oracle)(**inputs), resolve(declared.tolerance)(**point)
    for each in set(declared.candidates) - ELSEWHERE:
        candidate = declared.candidates[each]
        right = resolve(candidate.reference)(**inputs) if candidate.reference else expected
        out = resolve(candidate.function)(**inputs).double()
        assert float((out - right).norm() / right.norm()) <= tolerance, each


def test_selecting_alone_gives_what_the_whole_method_attends_to(benchmarks: Mapping[str, Benchmark]) -> None:
    inputs = benchmarks["select"].inputs(192, 64, "float32", True, "cpu", 0)
    v = inputs["q"]
    for each, candidate in benchmarks["select"].candidates.items():
        whole = resolve(benchmarks["prefill"].candidates[each].function)(**inputs, v=v)
        right = dense.oracle(inputs["q"], inputs["k"], v, True, resolve(candidate.function)(**inputs))
        assert float((whole - right).norm() / right.norm()) <= 1e-5, each
