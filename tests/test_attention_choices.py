"""What each way to select keys selects: its paper's rule, worked apart from its code."""

from __future__ import annotations

import math

import pytest
import torch
from test_attention_selectors import BUDGET, made, seen_of

from reference_models.attention import block_topk, dense, dsa, moba, nsa, quest, top_p, window
from reference_models.attention.pages import summarise
from reference_models.attention.ranking import Budget
from reference_models.attention.seen import last_seen, share_heads
from reference_models.attention.selectors import SELECTORS


def weights_of(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The softmax of causal attention in double precision, (B, H, Nq, Nk)."""
    q, k = inputs["q"].double(), share_heads(inputs["k"].double(), inputs["q"].shape[1])
    return dense.scores(q, k, last_seen(q, k, True)).softmax(-1)


def test_no_selection_of_blocks_holds_more_attention_than_the_oracle() -> None:
    inputs = made(keys=200, queries=200)
    budget = Budget(keep=0.25, least=3, sinks=0, local=0)
    held = {}
    for name in ("block_topk", "mass", "window", "quest", "top_p"):
        selection = SELECTORS[name](inputs["q"], inputs["k"], True, block=8, rows=8, budget=budget)
        held[name] = (weights_of(inputs) * seen_of(inputs, selection, True)).sum((-1, -2))
    assert all(bool((held["mass"] >= other - 1e-6).all()) for other in held.values())
    assert float((held["mass"] - held["window"]).mean()) > 1


def test_moba_ranks_blocks_by_the_product_of_the_query_and_the_average_key() -> None:
    inputs = made(1, groups=4)
    budget = Budget(keep=0, least=2, sinks=0, local=0)
    chosen = moba.select(inputs["q"], inputs["k"], True, block=7, budget=budget).indices
    averages = inputs["k"].view(2, 4, 10, 7, 32).mean(3)
    assert torch.equal(chosen, (inputs["q"] @ averages.mT).topk(2).indices)


def test_nsa_sums_the_attention_to_averages_over_the_group() -> None:
    inputs = made(1)
    budget = Budget(keep=0, least=2, sinks=0, local=0)
    chosen = nsa.select(inputs["q"], inputs["k"], True, block=7, budget=budget)
    averages = inputs["k"].view(2, 2, 10, 7, 32).mean(3).repeat_interleave(2, 1)
    weights = (inputs["q"] @ averages.mT / math.sqrt(32)).softmax(-1)
    assert torch.equal(chosen.indices, weights.view(2, 2, 2, 1, 10).sum(2).topk(2).indices)


def test_the_bound_of_a_page_is_above_each_of_its_scores_and_finds_a_single_needle() -> None:
    inputs = made(1, groups=4)
    pages = summarise(inputs["k"], 7)
    bound = torch.maximum(inputs["q"] * pages.low, inputs["q"] * pages.high).sum(-1)
    scores = (inputs["q"] @ inputs["k"].mT).view(2, 4, 10, 7)
    assert bool((bound[..., None] >= scores - 1e-3).all())
    budget = Budget(keep=0, least=2, sinks=0, local=0)
    chosen = quest.select(inputs["q"], inputs["k"], True, block=7, budget=budget, pages=pages)
    assert torch.equal(chosen.indices[:, :, 0], bound.topk(2).indices)
    # One key of block 5 that is the query itself, amid others that are its opposite.
    inputs["k"][:, :, 35:42] = -inputs["q"]
    inputs["k"][:, :, 38:39] = inputs["q"]
    found = quest.select(inputs["q"], inputs["k"], True, block=7, budget=budget)
    missed = moba.select(inputs["q"], inputs["k"], True, block=7, budget=budget)
    assert bool(found.mask(slice(0, 1), 70)[..., 38].all())
    assert not missed.mask(slice(0, 1), 70)[..., 38].any()


def test_the_indexer_with_a_projection_that_loses_nothing_finds_the_best_keys_of_a_single_head() -> None:
    inputs = made(70, heads=2, groups=2)
    # Positive scores throughout, so that the indexer's ReLU does not matter.
    q, k = inputs["q"].abs(), inputs["k"].abs()
    scores = (q @ k.mT).masked_fill(torch.ones(70, 70).triu(1).bool(), -math.inf)
    chosen = dsa.select(q, k, True, budget=Budget(keep=0, least=4), projection=torch.eye(32))
    best = scores >= scores.topk(4).values[..., -1:]
    assert torch.equal(seen_of(inputs, chosen, True)[:, :, 4:], best[:, :, 4:])


def test_the_seeded_projection_keeps_inner_products_on_average() -> None:
    projection = dsa.seeded(64, 32)
    torch.testing.assert_close(projection.T @ projection, 2 * torch.eye(32), atol=1e-5, rtol=0)
    x = torch.randn(2000, 64, generator=torch.Generator().manual_seed(1))
    kept = (x @ projection).square().sum(-1) / x.square().sum(-1)
    assert abs(float(kept.mean()) - 1) < 0.05


def test_the_window_is_the_sinks_and_the_nearest_blocks() -> None:
    inputs = made()
    selection = window.select(
        inputs["q"], inputs["k"], True, block=8, rows=8, budget=Budget(0, least=3, sinks=1, local=1)
    )
    chosen = [
        sorted(row[ok].tolist())
        for row, ok in zip(selection.indices[0, 0], selection.valid[0, 0], strict=True)
    ]
    assert chosen == [
        [0],
        [0, 1],
        [0, 1, 2],
        [0, 2, 3],
        [0, 3, 4],
        [0, 4, 5],
        [0, 5, 6],
        [0, 6, 7],
        [0, 7, 8],
    ]


def test_top_p_takes_more_blocks_where_attention_is_spread() -> None:
    inputs = made(keys=200, queries=200)
    budget = Budget(keep=1, least=1)
    flat, sharp = (
        top_p.select(inputs["q"] * scale, inputs["k"], True, block=8, rows=8, budget=budget).valid.sum(-1)
        for scale in (0.1, 10)
    )
    assert bool((flat >= sharp).all())
    assert float((flat - sharp)[..., 10:].float().mean()) > 5
    few, many = (
        top_p.select(inputs["q"], inputs["k"], True, block=8, rows=8, budget=budget, gamma=gamma).valid.sum()
        for gamma in (0.5, 0.95)
    )
    assert int(few) < int(many)


def test_sinks_and_local_blocks_are_kept_as_many_as_the_budget_says() -> None:
    inputs = made()
    budget = Budget(keep=0, least=6, sinks=2, local=3)
    mask = block_topk.select(inputs["q"], inputs["k"], True, 8, 8, budget).mask(slice(0, 70), 70)
    for row in range(9):
        blocks = mask[:, :, row * 8].view(2, 4, 70)[..., : row * 8 + 8]
        for kept in {0, min(1, row), row, max(0, row - 1), max(0, row - 2)}:
            assert bool(blocks[..., kept * 8 : kept * 8 + 8].all())


@pytest.mark.parametrize("name", ["block_topk", "moba", "nsa", "quest", "top_p"])
def test_pages_beside_a_cache_select_what_the_keys_would(name: str) -> None:
    inputs, lengths = made(1), torch.tensor([70, 33])
    options = {"lengths": lengths, "block": 8, "budget": BUDGET}
    pages = summarise(inputs["k"], 8, lengths)
    with_pages = SELECTORS[name](inputs["q"], inputs["k"] * math.nan, True, pages=pages, **options)
    assert torch.equal(with_pages.indices, SELECTORS[name](inputs["q"], inputs["k"], True, **options).indices)
