"""What sparse attention selects: the right keys, in chunks as at once, and all of them when asked."""

from __future__ import annotations

import math

import pytest
import torch
from test_attention_models import Model, causal_or_not, error

from reference_models.attention import block_topk, dense, token_topk
from reference_models.attention.chunks import chunks
from reference_models.attention.inputs import qkv
from reference_models.attention.precision import tolerance
from reference_models.attention.ranking import Budget
from reference_models.attention.selection import Selection


@causal_or_not
@pytest.mark.parametrize("N", [65, 200])
def test_block_topk_that_keeps_every_block_is_dense(N: int, causal: bool) -> None:
    inputs = qkv(N, 64, "float32", "cpu", seed=1, heads=2)
    out = block_topk.attention(**inputs, causal=causal, block=16, budget=Budget(keep=1))
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
    chunked = token_topk.select(q, k, causal, hold=20_000).mask(slice(0, 100), 100)
    assert torch.equal(chunked, token_topk.select(q, k, causal, hold=math.inf).mask(slice(0, 100), 100))


@causal_or_not
def test_block_topk_always_keeps_the_first_and_the_own_block(causal: bool) -> None:
    inputs = qkv(1000, 64, "float32", "cpu", seed=1, heads=2)
    selection = block_topk.select(inputs["q"], inputs["k"], causal)
    mask = selection.mask(slice(0, 1000), 1000)
    assert bool(mask[..., :64].all())
    assert bool(mask.diagonal(dim1=-2, dim2=-1).all())


def test_block_topk_keeps_an_eighth_of_the_blocks_that_can_be_seen_but_at_least_four() -> None:
    inputs = qkv(64 * 48, 64, "float32", "cpu", seed=1, heads=1)
    count = block_topk.select(inputs["q"], inputs["k"], causal=True).valid.sum(-1)[0, 0].tolist()
    assert count == [min(seen, max(4, math.ceil(seen / 8))) for seen in range(1, 49)]
    assert set(block_topk.select(inputs["q"], inputs["k"], False).valid.sum(-1)[0, 0].tolist()) == {6}


def test_a_block_that_is_not_full_is_ranked_by_its_own_tokens_alone() -> None:
    q, k = torch.ones(1, 1, 70, 32), torch.ones(1, 1, 70, 32)
    k[:, :, 16:64] = 0.5
    selection = block_topk.select(q, k, False, block=16, rows=16, budget=Budget(keep=0.5, least=4))
    # Of five blocks each query gets four; the last one is short and looks most alike.
    assert bool(selection.mask(slice(0, 70), 70)[..., 64:].all())


def test_a_selection_masks_any_range_of_queries_and_keys() -> None:
    indices = torch.tensor([[[[0, 1], [1, 2], [2, 0]]]])
    valid = torch.tensor([[[[True, False], [True, True], [True, True]]]])
    expected = torch.tensor(
        [[1, 1, 0, 0, 0]] * 2 + [[0, 0, 1, 1, 1]] * 2 + [[1, 1, 0, 0, 1]], dtype=torch.bool
    )
    selection = Selection(indices, valid, block=2, rows=2)
    for start in range(5):
        for stop in range(start + 1, 6):
            for keys in range(1, 6):
                part = selection.mask(slice(start, stop), keys)
                assert torch.equal(part[0, 0], expected[start:stop, :keys])


def test_chunks_cover_all_rows_in_order_within_the_budget() -> None:
    assert list(chunks(7, 10, 35)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(chunks(3, 10, 5)) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert list(chunks(3, 10, math.inf)) == [slice(0, 3)]
