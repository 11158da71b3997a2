"""How much of dense attention a selection keeps: worked by hand, and against attention itself."""

from __future__ import annotations

import math

import pytest
import torch
from test_attention_models import causal_or_not, error

from reference_models.attention import block_topk, dense, mass, quality, token_topk, window
from reference_models.attention.inputs import qkv
from reference_models.attention.ranking import Budget
from reference_models.attention.selection import Selection


def test_mass_recall_error_and_keys_of_a_query_worked_by_hand() -> None:
    # Weights of 1/2, 1/4, 1/8 and 1/8, values 1, 0, 0 and 2.
    q, k = torch.ones(1, 1, 1, 1), torch.tensor([0.5, 0.25, 0.125, 0.125]).log().view(1, 1, 4, 1)
    v = torch.tensor([1.0, 0, 0, 2]).view(1, 1, 4, 1)
    selection = Selection(torch.tensor([[[[1, 0]]]]), torch.ones(1, 1, 1, 2).bool())
    found = quality.quality(q, k, v, False, selection, best=3)
    assert found.mass.item() == pytest.approx(3 / 4)
    assert found.recall.item() == pytest.approx(2 / 3)
    # Dense 3/4, over the two keys 2/3.
    assert found.error.item() == pytest.approx(1 / 9)
    assert found.keys.item() == 0.5


@causal_or_not
def test_a_selection_of_everything_keeps_everything(causal: bool) -> None:
    inputs = qkv(70, 64, "bfloat16", "cpu", seed=1, heads=2)
    selection = block_topk.select(inputs["q"], inputs["k"], causal, 8, 8, Budget(keep=1))
    found = quality.quality(**inputs, causal=causal, selection=selection)
    torch.testing.assert_close(found.mass, torch.ones(1, 2, 70))
    assert bool((found.recall == 1).all())
    assert bool((found.keys == 1).all())
    assert float(found.error.max()) < 1e-6


@pytest.mark.parametrize("groups", [4, 2])
@pytest.mark.parametrize("lengths", [None, [70, 33]])
def test_the_error_is_that_of_the_oracle_restricted_to_the_selection(
    groups: int, lengths: list[int] | None
) -> None:
    parts = [qkv(70, 64, "float32", "cpu", seed, heads=4) for seed in (1, 2)]
    q, k, v = (torch.cat([part[name] for part in parts]) for name in ("q", "k", "v"))
    k, v = k[:, :groups], v[:, :groups]
    limits = None if lengths is None else torch.tensor(lengths)
    selection = block_topk.select(q, k, True, 8, 8, Budget(keep=0.25, least=3), limits)
    found = quality.quality(q, k, v, True, selection, lengths=limits)
    whole = dense.oracle(q, k, v, True, lengths=limits)
    sparse = dense.oracle(q, k, v, True, selection, limits)
    assert error(found.error, (sparse - whole).norm(dim=-1) / whole.norm(dim=-1)) < 1e-4


def test_the_keys_with_the_highest_scores_have_full_recall() -> None:
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=2)
    selection = token_topk.select(inputs["q"], inputs["k"], True, keep=32)
    found = quality.quality(**inputs, causal=True, selection=selection)
    assert float(found.recall.min()) > 0.96  # near ties are ordered by rounding
    assert 0.9 < float(found.mass.mean()) <= 1 + 1e-6


def test_the_oracle_of_blocks_keeps_more_mass_than_a_window_of_equal_budget() -> None:
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=2)
    budget = Budget(keep=0.25, least=3)
    found = {
        model.__name__: quality.quality(
            **inputs, causal=True, selection=model.select(inputs["q"], inputs["k"], True, 8, 8, budget)
        )
        for model in (mass, window)
    }
    best, control = found.values()
    assert float(best.keys.mean()) == pytest.approx(float(control.keys.mean()))
    assert float(best.mass.mean() - control.mass.mean()) > 0.02
    assert float(best.error.mean()) < float(control.error.mean())


def test_a_sequence_without_keys_is_left_out_by_nan() -> None:
    inputs = qkv(16, 64, "float32", "cpu", seed=1, heads=2)
    q, lengths = inputs["q"][:, :, -1:], torch.tensor([0])
    selection = window.select(q, inputs["k"], True, 8, 1, Budget(keep=1), lengths)
    found = quality.quality(q, inputs["k"], inputs["v"], True, selection, lengths=lengths)
    assert all(bool(view.isnan().all()) for view in found)
    assert math.isnan(float(found.mass.mean()))


def test_no_key_to_recall_is_refused() -> None:
    inputs = qkv(16, 64, "float32", "cpu", seed=1, heads=2)
    selection = window.select(inputs["q"], inputs["k"], True, 8, 8)
    with pytest.raises(ValueError, match="best=0: recall needs at least one key"):
        quality.quality(**inputs, causal=True, selection=selection, best=0)
