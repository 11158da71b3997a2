"""The fused kernels against attention in float64 over the same selection: on this machine's accelerator or,
without one, in Triton's interpreter.

Triton looks whether to interpret when it is imported, and other tests import it, so `test_triton.py` runs
this file in a process of its own.
"""

from __future__ import annotations

import math
import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

from reference_models.attention import block_topk, dense, fused, sampled
from reference_models.attention.asked import Asked
from reference_models.attention.inputs import qkv
from reference_models.attention.pages import summarise
from reference_models.attention.precision import tolerance
from reference_models.attention.ranking import Budget, holding
from reference_models.attention.selection import Selection

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Triton's interpreter multiplies no bfloat16.
HALF = "bfloat16" if torch.cuda.is_available() else "float16"
BLOCK = 16
QUARTER = Budget(keep=0.25, least=3)

SHAPES = {
    "odd length": {"Nq": 75, "Nk": 75},
    "behind a cache": {"Nq": 19, "Nk": 83},
    "one query": {"Nq": 1, "Nk": 83},
}


def draw(Nq: int, Nk: int, heads: int, kv_heads: int, dtype: str, batch: int = 1) -> dict[str, torch.Tensor]:
    """Structured q, k and v of 32 numbers a head, q being the last Nq of Nk positions."""
    whole = [qkv(Nk, 32, dtype, DEVICE, seed, heads=heads) for seed in range(batch)]
    q, k, v = (torch.cat([each[name] for each in whole]) for name in ("q", "k", "v"))
    return {"q": q[:, :, Nk - Nq :].contiguous(), "k": k[:, :kv_heads], "v": v[:, :kv_heads]}


def error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("causal", "dtype"), [(True, "float32"), (False, "float32"), (True, HALF)])
def test_what_is_selected_is_attended_to_exactly(shape: str, causal: bool, dtype: str) -> None:
    inputs = draw(**SHAPES[shape], heads=2, kv_heads=1, dtype=dtype)
    choice = {"causal": causal, "block": BLOCK, "rows": BLOCK, "budget": QUARTER}
    selection = fused.select(inputs["q"], inputs["k"], **choice)
    expected = dense.oracle(**inputs, causal=causal, selection=selection)
    assert error(fused.attention(**inputs, **choice), expected) <= tolerance(dtype)
    assert error(fused.attend(**inputs, causal=causal, selection=selection), expected) <= tolerance(dtype)


@pytest.mark.parametrize("causal", [True, False])
def test_gradients_are_those_of_dense_attention_over_the_selection(causal: bool) -> None:
    inputs = draw(40, 75, heads=2, kv_heads=1, dtype="float32")
    choice = {"causal": causal, "block": BLOCK, "rows": BLOCK, "budget": QUARTER}
    selection = fused.select(inputs["q"], inputs["k"], **choice)
    wanted = [tensor.requires_grad_() for tensor in inputs.values()]
    out = fused.attention(**inputs, **choice)
    given = torch.randn_like(out)
    found = torch.autograd.grad(out, wanted, given)
    expected = dense.oracle(**inputs, causal=causal, selection=selection)
    right = torch.autograd.grad(expected, wanted, given.double())
    assert max(error(one, other) for one, other in zip(found, right, strict=True)) <= tolerance("float32")


def test_sequences_of_a_batch_may_have_different_lengths() -> None:
    inputs = draw(20, 50, heads=2, kv_heads=1, dtype="float32", batch=3)
    lengths = torch.tensor([50, 33, 20], device=DEVICE)
    choice = {"causal": True, "block": BLOCK, "rows": BLOCK, "budget": QUARTER, "lengths": lengths}
    selection = fused.select(inputs["q"], inputs["k"], **choice)
    expected = dense.oracle(**inputs, causal=True, selection=selection, lengths=lengths)
    wanted = [tensor.requires_grad_() for tensor in inputs.values()]
    out = fused.attention(**inputs, **choice)
    assert error(out.detach(), expected) <= tolerance("float32")
    given = torch.randn_like(out)
    right = dense.oracle(**inputs, causal=True, selection=selection, lengths=lengths)
    pairs = zip(
        torch.autograd.grad(out, wanted, given),
        torch.autograd.grad(right, wanted, given.double()),
        strict=True,
    )
    assert max(error(one, other) for one, other in pairs) <= tolerance("float32")


@pytest.mark.parametrize("rows", [16, 64])
def test_a_selection_that_somebody_else_made_is_attended_to_in_any_order(rows: int) -> None:
    inputs = draw(96, 96, heads=4, kv_heads=4, dtype="float32")
    count = -(-96 // rows)
    scores = torch.rand(1, 2, count, 6, generator=torch.Generator().manual_seed(0))
    found = scores.topk(4)
    selection = Selection(found.indices.to(DEVICE), (found.values > 0.3).to(DEVICE), BLOCK, rows)
    expected = dense.oracle(**inputs, causal=False, selection=selection)
    out = fused.attend(**inputs, causal=False, selection=selection)
    assert error(out, expected) <= tolerance("float32")


def test_a_query_without_a_key_gets_zeros() -> None:
    inputs = draw(32, 32, heads=2, kv_heads=2, dtype="float32")
    # The first tile's only block lies wholly in its future.
    indices = torch.tensor([1, 1], device=DEVICE).view(1, 1, 2, 1)
    selection = Selection(indices, torch.ones_like(indices, dtype=torch.bool), BLOCK, BLOCK)
    out = fused.attend(**inputs, causal=True, selection=selection)
    assert bool((out[:, :, :16] == 0).all())
    assert bool(out[:, :, 16:].isfinite().all())


@pytest.mark.parametrize("dtype", ["float32", HALF])
def test_the_chosen_blocks_are_those_with_the_largest_products_of_averages(dtype: str) -> None:
    inputs = draw(96, 96, heads=2, kv_heads=1, dtype=dtype)
    selection = fused.select(
        inputs["q"], inputs["k"], causal=True, block=BLOCK, rows=BLOCK, budget=Budget(0.5, 3)
    )
    queries, keys = (
        inputs[name].view(1, -1, 6, BLOCK, 32).float().mean(3).to(getattr(torch, dtype)).double()
        for name in ("q", "k")
    )
    scores = queries @ keys.repeat_interleave(2, 1).mT
    for head in range(2):
        for tile in range(6):
            picked = set(selection.indices[0, head, tile][selection.valid[0, head, tile]].tolist())
            assert {0, tile} <= picked <= set(range(tile + 1))
            assert len(picked) == min(tile + 1, 3)
            others = [block for block in range(tile + 1) if block not in picked]
            free = [block for block in picked if block not in (0, tile)]
            if others and free:
                row = scores[0, head, tile]
                assert float(row[free].min()) >= float(row[others].max()) * (1 - 1e-3) - 1e-3


SAMPLING = fused.Sampling(every=4, gamma=0.9)
HALF_OF_THEM = Budget(keep=0.5, least=3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("lengths", [None, [75, 40]])
def test_sampled_queries_choose_what_they_choose_without_kernels(
    shape: str, causal: bool, lengths: list[int] | None
) -> None:
    batch = len(lengths) if lengths else 1
    inputs = draw(**SHAPES[shape], heads=2, kv_heads=1, dtype="float32", batch=batch)
    limits = torch.tensor(lengths, device=DEVICE) if lengths else None
    asked = Asked(inputs["q"], inputs["k"], causal, BLOCK, 2 * BLOCK, HALF_OF_THEM, limits)
    shares = sampled.shares(asked, SAMPLING.every)
    expected = holding(asked.best(shares.clone()), shares, asked.reach()[1], SAMPLING.gamma, 3)
    choice = {"causal": causal, "block": BLOCK, "rows": 2 * BLOCK, "budget": HALF_OF_THEM}
    choice |= {"lengths": limits, "sampling": SAMPLING}
    found = fused.select(inputs["q"], inputs["k"], **choice)
    everything = slice(0, inputs["q"].shape[2]), inputs["k"].shape[2]
    assert torch.equal(found.mask(*everything), expected.mask(*everything))
    right = dense.oracle(**inputs, causal=causal, selection=found, lengths=limits)
    assert error(fused.attention(**inputs, **choice), right) <= tolerance("float32")


def test_a_key_that_is_no_number_shows_where_sampled_queries_choose() -> None:
    inputs = draw(**SHAPES["odd length"], heads=2, kv_heads=1, dtype="float32")
    inputs["k"][:, :, 20] = math.nan
    choice = {"causal": True, "block": BLOCK, "rows": BLOCK, "budget": HALF_OF_THEM, "sampling": SAMPLING}
    out = fused.attention(**inputs, **choice)
    assert bool(out[:, :, 20:].isnan().any(-1).all())
    assert not bool(out[:, :, :16].isnan().any())


def test_a_new_token_attends_to_the_pages_that_look_most_alike() -> None:
    heads, kv_heads, capacity, page, wanted = 4, 2, 128, 16, 4
    inputs = draw(1, capacity, heads, kv_heads, "float32", batch=2)
    q, k, v = inputs["q"], inputs["k"].contiguous(), inputs["v"].contiguous()
    lengths = torch.tensor([capacity, 77], dtype=torch.int32, device=DEVICE)
    means = k.view(2, kv_heads, -1, page, 32).mean(3)
    out = fused.decode(q, k, v, means, page, Budget(keep=0, least=wanted), lengths)
    for row, length in enumerate(lengths.tolist()):
        used = -(-length // page)
        for head in range(heads):
            scores = means[row, head // 2, :used] @ q[row, head, 0]
            scores[0] = scores[-1] = math.inf
            rows = torch.cat(
                [torch.arange(p * page, (p + 1) * page) for p in scores.topk(wanted).indices.tolist()]
            )
            rows = rows[rows < length].to(DEVICE)
            products = k[row, head // 2, rows].double() @ q[row, head, 0].double() / math.sqrt(32)
            expected = products.softmax(0) @ v[row, head // 2, rows].double()
            assert error(out[row, head, 0], expected) <= tolerance("float32")


def test_what_the_kernels_cannot_do_is_refused_in_a_line() -> None:
    inputs = draw(32, 32, heads=2, kv_heads=2, dtype="float32")
    indices = torch.zeros(1, 1, 2, 1, dtype=torch.int64, device=DEVICE)
    selection = Selection(indices, torch.ones_like(indices, dtype=torch.bool), 24, 16)
    with pytest.raises(NotImplementedError, match="block=24 is no power of two"):
        fused.attend(**inputs, causal=True, selection=selection)


def test_the_method_takes_the_kernels_where_they_rank_as_it_does() -> None:
    inputs = draw(75, 75, heads=2, kv_heads=1, dtype="float32")
    q, k = inputs["q"], inputs["k"]
    assert fused.ranks(q, k, BLOCK, BLOCK, QUARTER)
    assert not fused.ranks(q, k, BLOCK, 1, QUARTER)
    assert not fused.ranks(q, k, BLOCK, BLOCK, Budget(keep=0.25, least=3, local=2))
    assert not fused.ranks(q, k.expand(1, 1, 75, 32).repeat(1, 1, 500, 1), BLOCK, BLOCK, QUARTER)
    plainly = block_topk.select(q, k, True, BLOCK, BLOCK, QUARTER, pages=summarise(k, BLOCK))
    by_kernel = block_topk.select(q, k, True, BLOCK, BLOCK, QUARTER)
    keys = slice(0, 75)
    assert torch.equal(plainly.mask(keys, 75), by_kernel.mask(keys, 75))
