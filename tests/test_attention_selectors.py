"""Every way to select keys: exact on what it selects, within its budget, and the keys it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_attention_models import causal_or_not, error

from reference_models.attention import block_topk, dense, dsa, moba, nsa, quest, top_p, window
from reference_models.attention.inputs import qkv
from reference_models.attention.pages import summarise
from reference_models.attention.precision import tolerance
from reference_models.attention.ranking import Budget
from reference_models.attention.seen import last_seen, share_heads, unseen
from reference_models.attention.selection import Selection, attend
from reference_models.attention.selectors import SELECTORS, selector

BUDGET = Budget(keep=0.25, least=3)
SMALL: dict[str, dict[str, Any]] = {
    "token_topk": {"keep": 8},
    "block_topk": {"block": 8, "rows": 8, "budget": BUDGET},
    "moba": {"block": 8, "budget": BUDGET},
    "nsa": {"block": 8, "budget": BUDGET},
    "pooled": {"block": 8, "rows": 8, "budget": BUDGET, "part": 4},
    "quest": {"block": 8, "rows": 4, "budget": BUDGET},
    "dsa": {"budget": Budget(keep=0.25, least=3)},
    "top_p": {"block": 8, "rows": 8, "budget": Budget(keep=0.5, least=3)},
    "window": {"block": 8, "rows": 16, "budget": BUDGET},
    "mass": {"block": 8, "rows": 8, "budget": BUDGET},
}
every_selector = pytest.mark.parametrize("name", SELECTORS)


def made(
    queries: int = 70, keys: int = 70, heads: int = 4, groups: int = 2, dtype: str = "float32"
) -> dict[str, torch.Tensor]:
    """Two sequences; the queries are the last ones, and each group's heads of queries differ."""
    parts = [qkv(keys, 32, dtype, "cpu", seed, heads=heads) for seed in (1, 2)]
    whole = {name: torch.cat([part[name] for part in parts]) for name in ("q", "k", "v")}
    return {
        "q": whole["q"][:, :, -queries:],
        "k": whole["k"][:, :: heads // groups],
        "v": whole["v"][:, :: heads // groups],
    }


@every_selector
@pytest.mark.parametrize("queries", [70, 1, 5])
@pytest.mark.parametrize("groups", [4, 2])
@pytest.mark.parametrize("lengths", [None, [70, 33]])
@causal_or_not
def test_output_and_gradients_are_those_of_the_oracle_on_what_is_selected(
    name: str, queries: int, groups: int, lengths: list[int] | None, causal: bool
) -> None:
    inputs = {part: x.double().requires_grad_() for part, x in made(queries, groups=groups).items()}
    limits = None if lengths is None else torch.tensor(lengths)
    selection = SELECTORS[name](inputs["q"], inputs["k"], causal, lengths=limits, **SMALL[name])
    both = []
    for model in (attend, dense.oracle):
        out = model(**inputs, causal=causal, selection=selection, lengths=limits)
        both.append((out, *torch.autograd.grad(out.square().sum(), list(inputs.values()))))
    for actual, expected in zip(*both, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@every_selector
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@causal_or_not
def test_short_formats_are_within_their_tolerance(name: str, dtype: str, causal: bool) -> None:
    inputs = made(dtype=dtype)
    selection = SELECTORS[name](inputs["q"], inputs["k"], causal, **SMALL[name])
    out = attend(**inputs, causal=causal, selection=selection)
    assert error(out, dense.oracle(**inputs, causal=causal, selection=selection)) <= tolerance(dtype)


def seen_of(inputs: dict[str, torch.Tensor], selection: Selection, causal: bool) -> torch.Tensor:
    """The keys that each query sees of a selection, (B, H, Nq, Nk)."""
    q, k = inputs["q"], inputs["k"]
    mask = share_heads(selection.mask(slice(0, q.shape[2]), k.shape[2]), q.shape[1])
    return mask & ~unseen(last_seen(q, k, causal), k.shape[2])


@every_selector
@pytest.mark.parametrize("queries", [70, 5])
@causal_or_not
def test_every_query_sees_a_key_and_no_more_than_the_budget(name: str, queries: int, causal: bool) -> None:
    inputs = made(queries)
    selection = SELECTORS[name](inputs["q"], inputs["k"], causal, **SMALL[name])
    seen = seen_of(inputs, selection, causal).sum(-1)
    assert int(seen.min()) >= 1
    assert int(seen.max()) <= selection.indices.shape[-1] * selection.block


@every_selector
def test_what_is_selected_for_a_causal_query_does_not_depend_on_later_rows(name: str) -> None:
    inputs = made()
    before = seen_of(inputs, SELECTORS[name](inputs["q"], inputs["k"], True, **SMALL[name]), True)
    for part in ("q", "k"):
        inputs[part][:, :, 48:] = torch.randn(inputs[part][:, :, 48:].shape)
    after = seen_of(inputs, SELECTORS[name](inputs["q"], inputs["k"], True, **SMALL[name]), True)
    assert torch.equal(before[:, :, :48], after[:, :, :48])


@every_selector
def test_keys_behind_the_end_of_a_sequence_change_nothing(name: str) -> None:
    inputs, lengths = made(1), torch.tensor([70, 33])
    before = SELECTORS[name](inputs["q"], inputs["k"], True, lengths=lengths, **SMALL[name])
    inputs["k"][1, :, 33:] = 100.0
    after = SELECTORS[name](inputs["q"], inputs["k"], True, lengths=lengths, **SMALL[name])
    masks = (
        selection.mask(slice(0, 1), 70) & ~unseen(lengths[:, None] - 1, 70) for selection in (before, after)
    )
    assert torch.equal(*masks)


@every_selector
@pytest.mark.parametrize("part", ["q", "k", "v"])
def test_nan_shows_in_the_result(name: str, part: str) -> None:
    inputs = made()
    inputs[part][:, :, 40] = math.nan
    selection = SELECTORS[name](inputs["q"], inputs["k"], True, **SMALL[name])
    found = attend(**inputs, causal=True, selection=selection).isnan().any(-1)
    if part == "q":
        assert bool(found[:, :, 40].all())
    else:
        assert bool(found[seen_of(inputs, selection, True)[..., 40]].all())
    # A key that is NaN ranks first, so that every later query shows it, as dense attention does.
    assert part != "k" or name == "window" or bool(found[:, :, 40:].all())
    # Values are gathered by the block.
    assert not found[:, :, : 40 if selection.block == 1 or part != "v" else 32].any()


@every_selector
def test_more_keys_than_there_are_is_all_of_them(name: str) -> None:
    options = {**SMALL[name], **({"keep": 10**6} if name == "token_topk" else {"budget": Budget(0, 10**6)})}
    options |= {"gamma": 1.0} if name == "top_p" else {}
    inputs = made()
    selection = SELECTORS[name](inputs["q"], inputs["k"], True, **options)
    out = attend(**inputs, causal=True, selection=selection)
    assert error(out, dense.oracle(**inputs, causal=True)) <= tolerance("float32")


def test_an_unknown_selector_is_named_with_its_nearest() -> None:
    assert selector("quest") is quest.select
    with pytest.raises(ValueError, match="unknown selector 'qest': did you mean 'quest'"):
        selector("qest")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Budget(keep=1.5), "the share must be from 0 to 1"),
        (lambda: Budget(keep=0, least=0), "at least one block be kept"),
        (lambda: Budget(keep=0, local=-1), "cannot be negative"),
        (lambda: SELECTORS["token_topk"](*_pair(), True, keep=0), "keep=0: a query needs at least one key"),
        (lambda: top_p.select(*_pair(), True, gamma=0), "gamma=0: the share"),
        (lambda: dsa.select(*_pair(), True, block=8), "block and rows must be 1"),
        (lambda: quest.select(_pair()[0], _pair()[0][..., :8], True), "differ in B or D"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def _pair() -> tuple[torch.Tensor, torch.Tensor]:
    inputs = made()
    return inputs["q"], inputs["k"]


# What each of them selects


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
    whole = torch.eye(32)
    # Positive scores throughout, so that the indexer's ReLU does not matter.
    inputs = {**inputs, "k": inputs["k"] * 0.01 + inputs["q"].mean((0, 1, 2))}
    q, k = inputs["q"], inputs["k"]
    scores = (q @ k.mT).masked_fill(torch.ones(70, 70).triu(1).bool(), -math.inf)
    budget = Budget(keep=0, least=4)
    chosen = dsa.select(q.abs(), k.abs(), True, budget=budget, projection=whole)
    scores = (q.abs() @ k.abs().mT).masked_fill(torch.ones(70, 70).triu(1).bool(), -math.inf)
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
