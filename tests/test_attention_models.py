"""The reference models of attention: right, sparse where they say so, and honest about their cost."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from reference_models.attention import block_topk, dense, flex, sdpa, token_topk
from reference_models.attention.chunks import chunk_bytes, chunks
from reference_models.attention.inputs import qkv
from reference_models.attention.precision import itemsize, tolerance
from reference_models.attention.selection import Selection

Model = Callable[..., torch.Tensor]

EXACT: dict[str, Model] = {
    "dense_eager": dense.attention,
    "sdpa": sdpa.attention,
    "sdpa_math": sdpa.math,
    "sdpa_flash": sdpa.flash,
}
SPARSE: dict[str, tuple[Model, Model]] = {
    "topk_masked": (token_topk.masked, token_topk.masked_reference),
    "topk_gathered": (token_topk.gathered, token_topk.gathered_reference),
    "block_topk": (block_topk.attention, block_topk.reference),
}
EVERY: dict[str, tuple[Model, Model]] = {
    name: (model, dense.oracle) for name, model in EXACT.items()
} | SPARSE

every_model = pytest.mark.parametrize("name", EVERY)
causal_or_not = pytest.mark.parametrize("causal", [True, False])


def error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual.double() - expected.double()).norm() / expected.double().norm())


@every_model
@pytest.mark.parametrize(("N", "heads"), [(1, 3), (63, 1), (64, 3), (65, 1), (65, 3), (200, 1), (600, 3)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@causal_or_not
def test_every_model_computes_what_it_means_to(
    name: str, N: int, heads: int, dtype: str, causal: bool
) -> None:
    model, reference = EVERY[name]
    inputs = qkv(N, 64, dtype, "cpu", seed=1, heads=heads)
    out = model(**inputs, causal=causal)
    assert out.shape == inputs["q"].shape
    assert out.dtype == inputs["q"].dtype
    assert error(out, reference(**inputs, causal=causal)) <= tolerance(dtype)


@every_model
@causal_or_not
def test_a_batch_of_several_is_each_of_them_by_itself(name: str, causal: bool) -> None:
    model = EVERY[name][0]
    singles = [qkv(100, 64, "float32", "cpu", seed, heads=2) for seed in (1, 2)]
    batch = {key: torch.cat([single[key] for single in singles]) for key in ("q", "k", "v")}
    expected = torch.cat([model(**single, causal=causal) for single in singles])
    assert error(model(**batch, causal=causal), expected) <= tolerance("float32")


@every_model
@causal_or_not
def test_inputs_are_left_as_they_were(name: str, causal: bool) -> None:
    inputs = qkv(100, 64, "float32", "cpu", seed=1, heads=2)
    before = {key: tensor.clone() for key, tensor in inputs.items()}
    EVERY[name][0](**inputs, causal=causal)
    assert all(torch.equal(inputs[key], before[key]) for key in before)


@every_model
def test_a_causal_query_gets_nothing_of_later_values(name: str) -> None:
    model = EVERY[name][0]
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=2)
    out = model(**inputs, causal=True)
    inputs["v"][:, :, 130:] = 1e3
    assert torch.equal(model(**inputs, causal=True)[:, :, :130], out[:, :, :130])


@every_model
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_first_causal_query_sees_its_own_key_alone(name: str, dtype: str) -> None:
    inputs = qkv(200, 64, dtype, "cpu", seed=1, heads=2)
    out = EVERY[name][0](**inputs, causal=True)
    assert bool(out.isfinite().all())
    assert torch.equal(out[:, :, 0], inputs["v"][:, :, 0])


@causal_or_not
def test_the_oracle_is_attention_in_double_precision_also_in_chunks(causal: bool) -> None:
    inputs = qkv(1000, 64, "bfloat16", "cpu", seed=1)
    q, k, v = (inputs[name].double() for name in ("q", "k", "v"))
    out = dense.oracle(**inputs, causal=causal)
    assert out.dtype == torch.float64
    assert error(out, scaled_dot_product_attention(q, k, v, is_causal=causal)) < 1e-14


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_causal_mask_that_is_off_by_one_is_out_of_tolerance(dtype: str) -> None:
    inputs = qkv(1024, 64, dtype, "cpu", seed=1, heads=2)
    shifted = torch.ones(1024, 1024, dtype=torch.bool).tril(1)
    wrong = scaled_dot_product_attention(**_named(inputs), attn_mask=shifted)
    assert error(wrong, dense.oracle(**inputs, causal=True)) > 2 * tolerance(dtype)


def _named(inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {"query": inputs["q"], "key": inputs["k"], "value": inputs["v"]}


# Selections


@causal_or_not
@pytest.mark.parametrize("N", [65, 200])
def test_block_topk_that_keeps_every_block_is_dense(N: int, causal: bool) -> None:
    inputs = qkv(N, 64, "float32", "cpu", seed=1, heads=2)
    out = block_topk.attention(**inputs, causal=causal, block=16, keep=1.0)
    assert error(out, dense.oracle(**inputs, causal=causal)) <= tolerance("float32")


@causal_or_not
@pytest.mark.parametrize("model", [token_topk.masked, token_topk.gathered])
def test_token_topk_with_as_many_keys_as_there_are_or_more_is_dense(model: Model, causal: bool) -> None:
    inputs = qkv(50, 64, "float32", "cpu", seed=1, heads=2)
    for keep in (50, 1000):
        assert error(
            model(**inputs, causal=causal, keep=keep), dense.oracle(**inputs, causal=causal)
        ) <= tolerance("float32")


@causal_or_not
def test_token_topk_selects_the_keys_with_the_highest_scores(causal: bool) -> None:
    inputs = qkv(100, 64, "float32", "cpu", seed=1, heads=2)
    scores = inputs["q"].double() @ inputs["k"].double().mT
    if causal:
        scores = scores.masked_fill(torch.ones(100, 100, dtype=torch.bool).triu(1), -math.inf)
    best = scores >= scores.topk(8).values[..., -1:]
    if causal:
        best &= torch.ones(100, 100, dtype=torch.bool).tril()
    selection = token_topk.select(inputs["q"], inputs["k"], causal, keep=8)
    assert torch.equal(selection.mask(slice(0, 100), 100), best)


@causal_or_not
def test_a_selection_made_in_chunks_is_the_one_made_at_once(causal: bool) -> None:
    inputs = qkv(100, 64, "float32", "cpu", seed=1, heads=2)
    q, k = inputs["q"], inputs["k"]
    chunked = token_topk.select(q, k, causal, budget=20_000).mask(slice(0, 100), 100)
    assert torch.equal(chunked, token_topk.select(q, k, causal, budget=math.inf).mask(slice(0, 100), 100))


@causal_or_not
def test_block_topk_always_keeps_the_first_and_the_own_block(causal: bool) -> None:
    inputs = qkv(1000, 64, "float32", "cpu", seed=1, heads=2)
    selection = block_topk.select(inputs["q"], inputs["k"], causal)
    mask = selection.mask(slice(0, 1000), 1000)
    assert bool(mask[..., :64].all())
    assert bool(mask.diagonal(dim1=-2, dim2=-1).all())


def test_block_topk_keeps_an_eighth_of_the_keys_but_at_least_four_blocks() -> None:
    assert [block_topk.kept_blocks(blocks) for blocks in (1, 4, 16, 64, 1024)] == [1, 4, 4, 8, 128]


def test_a_block_that_is_not_full_is_ranked_by_its_own_tokens_alone() -> None:
    q, k = torch.ones(1, 1, 70, 32), torch.ones(1, 1, 70, 32)
    k[:, :, 16:64] = 0.5
    selection = block_topk.select(q, k, causal=False, block=16, keep=0.5)
    # Of five blocks each query gets four; the last one is short and looks most alike.
    assert bool(selection.mask(slice(0, 70), 70)[..., 64:].all())


def test_a_selection_masks_any_range_of_queries_and_keys() -> None:
    indices = torch.tensor([[[[0, 1], [1, 2], [2, 0]]]])
    valid = torch.tensor([[[[True, False], [True, True], [True, True]]]])
    expected = torch.tensor(
        [[1, 1, 0, 0, 0]] * 2 + [[0, 0, 1, 1, 1]] * 2 + [[1, 1, 0, 0, 1]], dtype=torch.bool
    )
    selection = Selection(indices, valid, block=2)
    for start in range(5):
        for stop in range(start + 1, 6):
            for keys in range(1, 6):
                part = selection.mask(slice(start, stop), keys)
                assert torch.equal(part[0, 0], expected[start:stop, :keys])


def test_chunks_cover_all_rows_in_order_within_the_budget() -> None:
    assert list(chunks(7, 10, 35)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(chunks(3, 10, 5)) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert list(chunks(3, 10, math.inf)) == [slice(0, 3)]


# Kernels


class Operators(TorchDispatchMode):
    """The names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("model", "fused"),
    [(sdpa.flash, ["aten._scaled_dot_product_flash_attention_for_cpu.default"]), (sdpa.math, [])],
)
def test_sdpa_runs_the_kernel_that_was_asked_for(model: Model, fused: list[str]) -> None:
    inputs = qkv(64, 64, "float32", "cpu", seed=1, heads=2)
    with Operators() as operators:
        model(**inputs, causal=True)
    assert [name for name in operators.names if "attention" in name] == fused


@pytest.mark.parametrize(("model", "kernel"), [(sdpa.efficient, "efficient"), (sdpa.cudnn, "cudnn")])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_kernel_that_the_cpu_lacks_is_not_implemented(model: Model, kernel: str, dtype: str) -> None:
    inputs = qkv(64, 64, dtype, "cpu", seed=1, heads=2)
    with pytest.raises(NotImplementedError, match=rf"no {kernel} attention kernel for cpu/{dtype}"):
        model(**inputs, causal=True)


def test_a_kernel_that_cannot_do_the_inputs_is_not_implemented() -> None:
    inputs = qkv(64, 64, "float32", "cpu", seed=1, heads=2)
    inputs["v"] = inputs["v"][..., :32]
    with pytest.raises(NotImplementedError, match="no flash attention kernel for cpu/float32 with D=64"):
        sdpa.flash(**inputs, causal=True)


# Importing inductor makes torch warn of what torch itself still uses.
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_flex_attention_is_dense_attention() -> None:
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=1)
    assert error(flex.attention(**inputs, causal=True), dense.oracle(**inputs, causal=True)) <= tolerance(
        "float32"
    )


def test_flex_attention_without_a_compiler_is_not_implemented(tmp_path: Path) -> None:
    program = (
        "from reference_models.attention import flex, inputs\n"
        "try: flex.attention(**inputs.qkv(64, 64, 'float32', 'cpu', 1, heads=1), causal=False)\n"
        "except NotImplementedError as error: print(error)\n"
    )
    environment = {**os.environ, "CXX": str(tmp_path / "c++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "FlexAttention cannot be compiled here: No working C++ compiler found" in done.stdout


# Inputs


@pytest.mark.parametrize("D", [64, 128])
def test_the_32_largest_weights_hold_nine_tenths_of_the_attention(D: int) -> None:
    inputs = qkv(1024, D, "float32", "cpu", seed=1)
    scores = inputs["q"] @ inputs["k"].mT / math.sqrt(D)
    weights = scores.masked_fill(torch.ones(1024, 1024, dtype=torch.bool).triu(1), -math.inf).softmax(-1)
    assert 0.85 < float(weights.topk(32).values.sum(-1).mean()) < 0.97


def test_inputs_are_the_same_for_a_seed_and_differ_between_seeds_and_heads() -> None:
    first, again, other = (qkv(64, 64, "float32", "cpu", seed) for seed in (1, 1, 2))
    for name in ("q", "k", "v"):
        assert first[name].shape == (1, 16, 64, 64)
        assert torch.equal(first[name], again[name])
        assert error(first[name], other[name]) > 0.5
        assert error(first[name][:, 0], first[name][:, 1]) > 0.5


def test_inputs_in_a_shorter_format_are_the_float32_ones_rounded() -> None:
    full, short = (qkv(64, 64, dtype, "cpu", seed=1) for dtype in ("float32", "bfloat16"))
    assert all(torch.equal(full[name].bfloat16(), short[name]) for name in full)


def test_inputs_of_too_few_dimensions_say_how_many_they_need() -> None:
    with pytest.raises(ValueError, match="D=16 is too small: structured inputs need D > 16"):
        qkv(64, 16, "float32", "cpu", seed=1)


# Formulae


def counted(model: Model, N: int, D: int) -> int:
    with FlopCounterMode(display=False) as counter:
        model(**qkv(N, D, "float32", "cpu", seed=1), causal=False)
    return counter.get_total_flops()


@pytest.mark.parametrize(("N", "D"), [(64, 64), (200, 128)])
def test_work_is_what_torch_counts_in_the_products(N: int, D: int) -> None:
    point: dict[str, Any] = {"N": N, "D": D, "dtype": "float32", "causal": False}
    assert dense.work(**point)[0] == counted(dense.attention, N, D)
    assert dense.work(**point)[0] == counted(token_topk.masked, N, D)
    assert token_topk.work_gathered(**point)[0] == counted(token_topk.gathered, N, D)
    averages = 2 * 16 * N * D
    assert block_topk.work(**point)[0] - averages == counted(block_topk.attention, N, D)


def test_a_causal_mask_halves_the_work_of_dense_attention_and_moves_the_same_bytes() -> None:
    whole, half = (dense.work(N=128, D=64, causal=causal, dtype="bfloat16") for causal in (False, True))
    assert half == (whole[0] / 2, whole[1])
    assert whole[1] == 4 * 16 * 128 * 64 * 2


def test_sparse_work_at_65536_is_an_eighth_of_dense_work_or_less() -> None:
    point: dict[str, Any] = {"N": 65536, "D": 64, "dtype": "bfloat16", "causal": False}
    assert block_topk.work(**point)[0] < dense.work(**point)[0] * 0.126
    assert token_topk.work_gathered(**point)[0] > dense.work(**point)[0] / 2


def peak(call: Callable[[], object]) -> int:
    """The most bytes that torch held at once during a call."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    results = profiler.profiler.kineto_results
    changes = sorted((e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]")
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("model", "formula"),
    [
        (dense.attention, dense.memory),
        (sdpa.math, sdpa.memory_math),
        (token_topk.masked, token_topk.memory_masked),
        (block_topk.attention, block_topk.memory),
        (token_topk.gathered, token_topk.memory_gathered),
    ],
)
def test_memory_is_no_less_than_what_a_call_needs(
    model: Model, formula: Callable[..., int], dtype: str
) -> None:
    point: dict[str, Any] = {"N": 1000, "D": 64, "dtype": dtype}
    inputs = qkv(**point, device="cpu", seed=1)
    needed = peak(lambda: model(**inputs, causal=True)) + sum(tensor.nbytes for tensor in inputs.values())
    assert needed <= 1.05 * formula(**point, causal=True)


def test_memory_of_what_holds_all_scores_is_not_far_above_what_a_call_needs() -> None:
    inputs = qkv(1000, 64, "float32", "cpu", seed=1)
    needed = peak(lambda: dense.attention(**inputs, causal=True))
    assert dense.memory(N=1000, D=64, dtype="float32") < 1.5 * needed


def test_memory_of_sparse_models_stays_bounded_on_long_sequences() -> None:
    point: dict[str, Any] = {"N": 65536, "D": 128, "dtype": "bfloat16"}
    assert dense.memory(**point) > 500e9
    assert block_topk.memory(**point) < 4e9
    assert token_topk.memory_gathered(**point) < 4e9
    assert chunk_bytes(2, 10) == 20
    assert itemsize("bfloat16") == 2
