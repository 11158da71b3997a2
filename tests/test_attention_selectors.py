"""Every way to select keys: exact on what it selects, within its budget, and the keys it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_attention_models import causal_or_not, error

from reference_models.attention import dense, dsa, quest, top_p
from reference_models.attention.inputs import qkv
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
    "sampled": {"block": 8, "rows": 8, "budget": Budget(keep=0.5, least=3)},
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
    options |= {"gamma": 1.0} if name in ("top_p", "sampled") else {}
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
