"""What attention is measured on and held against: its inputs, and its formulae of work and memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_attention_models import Model, error
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from reference_models.attention import block_topk, decode, dense, sdpa, token_topk
from reference_models.attention.inputs import qkv
from reference_models.attention.precision import tolerance
from reference_models.attention.selection import attend
from reference_models.attention.selectors import METHODS


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


@pytest.mark.parametrize(("N", "D"), [(64, 64), (200, 128)])
@pytest.mark.parametrize("name", METHODS)
def test_work_of_a_sparse_method_is_what_torch_counts_in_its_products(name: str, N: int, D: int) -> None:
    method = replace(METHODS[name], kernel=attend)
    work = method.work(N=N, D=D, dtype="float32", causal=False)[0]
    # Adding up averages is counted by the formula and not by torch, which counts products alone.
    alone = {"quest": 0, "pooled": 1}  # what is averaged other than by blocks of keys, and of queries
    blocks = alone.get(name, 2 if method.rows > 1 else 1 if method.block > 1 else 0)
    averages = 0 if name in ("window", "mass", "sampled") else blocks * 16 * N * D
    if method.surely:
        # Plain torch reads as much as the data could ask for.
        assert work - averages <= counted(method.attention, N, D)
        work = replace(method, surely=None).work(N=N, D=D, dtype="float32", causal=False)[0]
    assert work - averages == counted(method.attention, N, D)


def test_a_causal_mask_halves_the_work_of_dense_attention_and_moves_the_same_bytes() -> None:
    whole, half = (dense.work(N=128, D=64, causal=causal, dtype="bfloat16") for causal in (False, True))
    assert half == (whole[0] / 2, whole[1], "bfloat16")
    assert whole[1] == 4 * 16 * 128 * 64 * 2


def test_sparse_work_at_65536_is_an_eighth_of_dense_work_or_less() -> None:
    point: dict[str, Any] = {"N": 65536, "D": 64, "dtype": "bfloat16", "causal": False}
    assert block_topk.SHARE.work(**point)[0] < dense.work(**point)[0] * 0.126
    assert token_topk.work_gathered(**point)[0] > dense.work(**point)[0] / 2


def peak(call: Callable[[], object]) -> int:
    """The most bytes that torch held at once during a call."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
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
        *((method.attention, method.memory) for method in METHODS.values()),
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
    assert block_topk.SHARE.memory(**point) < 4e9
    assert token_topk.memory_gathered(**point) < 4e9


DECODERS = {"mean": decode.by_mean, "group": decode.by_group, "bound": decode.by_bound}


@pytest.mark.parametrize("Hkv", [16, 4])
@pytest.mark.parametrize("name", DECODERS)
def test_decoding_does_and_holds_what_its_formulae_say(name: str, Hkv: int) -> None:
    point: dict[str, Any] = {"N": 2048, "D": 64, "Hkv": Hkv, "dtype": "float32"}
    inputs = decode.inputs(**point, device="cpu", seed=1)
    with FlopCounterMode(display=False) as counter:
        DECODERS[name].attention(**inputs)
    assert counter.get_total_flops() == DECODERS[name].work(**point)[0]
    given = sum(leaf.nbytes for leaf in (inputs["k"], inputs["v"], *inputs["pages"]))
    needed = given + peak(lambda: DECODERS[name].attention(**inputs))
    assert needed <= 1.05 * DECODERS[name].memory(**point)


def test_decoding_by_pages_reads_a_sixteenth_of_a_cache_of_16384_and_its_summaries() -> None:
    point: dict[str, Any] = {"N": 16384, "D": 64, "Hkv": 16, "dtype": "bfloat16"}
    # 1,024 of 16,384 keys, and of 64 keys one average in float32, twice the bytes of a key, for keys alone.
    assert decode.by_mean.work(**point)[1] / decode.work(**point)[1] == pytest.approx(
        1 / 16 + 1 / 64, rel=0.01
    )


@pytest.mark.parametrize("name", DECODERS)
def test_decoding_by_pages_is_exact_attention_over_them(name: str) -> None:
    inputs = decode.inputs(N=1500, D=64, Hkv=4, dtype="bfloat16", device="cpu", seed=1)
    model = DECODERS[name]
    assert error(model.attention(**inputs), model.reference(**inputs)) <= tolerance("bfloat16")
    assert 0.001 < error(model.reference(**inputs), decode.oracle(**inputs)) < 0.5
