"""Attention over any selection: what the oracle says of the same selection, output and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_attention_models import causal_or_not, error

from reference_models.attention import dense, masked
from reference_models.attention.precision import tolerance
from reference_models.attention.selection import Selection, attend

HEADS = [(4, 4, 4), (4, 2, 4), (4, 2, 2), (6, 3, 1), (6, 2, 3)]
"""Heads of queries, of keys, and of choices."""


def drawn(
    heads: tuple[int, int, int], queries: int, keys: int, block: int, rows: int, dtype: torch.dtype
) -> dict[str, Any]:
    """Two sequences, and a choice of four random blocks a row, a third of which do not count."""
    generator = torch.Generator().manual_seed(1)

    def normal(heads: int, N: int) -> torch.Tensor:
        return torch.randn(2, heads, N, 16, generator=generator).to(dtype)

    numbers = torch.rand(2, heads[2], -(-queries // rows), -(-keys // block), generator=generator)
    indices = numbers.argsort(-1)[..., :4]
    valid = torch.rand(indices.shape, generator=generator) < 2 / 3
    selection = Selection(indices, valid, block, rows)
    q, k, v = normal(heads[0], queries), normal(heads[1], keys), normal(heads[1], keys)
    return {"q": q, "k": k, "v": v, "selection": selection}


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize(("queries", "keys"), [(50, 50), (1, 70), (5, 70)])
@pytest.mark.parametrize(("block", "rows"), [(1, 1), (16, 16), (8, 1), (7, 3)])
@pytest.mark.parametrize("lengths", [None, [70, 33]])
@causal_or_not
def test_output_and_gradients_are_those_of_the_oracle_on_the_same_selection(
    heads: tuple[int, int, int],
    queries: int,
    keys: int,
    block: int,
    rows: int,
    lengths: list[int] | None,
    causal: bool,
) -> None:
    inputs = drawn(heads, queries, keys, block, rows, torch.float64)
    limits = None if lengths is None else torch.tensor(lengths).clamp(max=keys)
    leaves = [inputs[name].requires_grad_() for name in ("q", "k", "v")]
    both = []
    for model in (attend, masked.attend, dense.oracle):
        out = model(**inputs, causal=causal, lengths=limits)
        both.append((out, *torch.autograd.grad(out.square().sum() / 2 + out.sum(), leaves)))
    for gathered, hidden, expected in zip(*both, strict=True):
        torch.testing.assert_close(gathered, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(hidden, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@causal_or_not
def test_short_formats_are_within_their_tolerance(dtype: str, causal: bool) -> None:
    inputs = drawn((4, 2, 4), 130, 130, 16, 16, getattr(torch, dtype))
    for kernel in (attend, masked.attend):
        out = kernel(**inputs, causal=causal)
        assert out.dtype == inputs["q"].dtype
        assert error(out, dense.oracle(**inputs, causal=causal)) <= tolerance(dtype)


def test_a_query_without_a_key_gets_zeros_and_sends_no_gradient() -> None:
    inputs = drawn((2, 2, 2), 8, 8, 2, 2, torch.float32)
    inputs["selection"].valid[:, :, 1] = False
    leaves = [inputs[name].requires_grad_() for name in ("q", "k", "v")]
    out = attend(**inputs, causal=False)
    gradients = torch.autograd.grad(out.sum(), leaves)
    assert not out[:, :, 2:4].any()
    assert not gradients[0][:, :, 2:4].any()
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_scores_that_overflow_float16_before_they_are_scaled_are_right() -> None:
    # Each query is alike to one key; the product is 90,000, and 22,500 when scaled by 1/√16.
    alike = 300 * torch.eye(16, dtype=torch.float16)[None, None]
    v = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(1)).half()
    every = Selection(torch.arange(2).view(1, 1, 1, 2), torch.ones(1, 1, 1, 2).bool(), 8, 16)
    assert bool((alike @ alike.mT).isinf().any())
    assert torch.equal(attend(alike, alike, v, False, every), v)
    assert torch.equal(dense.attention(alike, alike, v, False), v)


@pytest.mark.parametrize("name", ["q", "k", "v"])
def test_nan_shows_in_every_query_that_sees_it(name: str) -> None:
    inputs = drawn((2, 2, 2), 64, 64, 8, 8, torch.float32)
    inputs[name][:, :, 40] = torch.nan
    mask = inputs["selection"].mask(slice(0, 64), 64)
    seeing = mask[..., 40].clone()
    if name == "q":
        seeing = torch.zeros_like(seeing)
        seeing[:, :, 40] = mask[:, :, 40].any(-1)
    found = attend(**inputs, causal=False).isnan().any(-1)
    assert bool(found[seeing].all())
    # A value that is gathered and has no weight shows, too, since zero times NaN is NaN.
    assert name == "v" or not found[~seeing].any()


def test_gathered_keys_are_not_held_until_the_backward_pass() -> None:
    inputs = drawn((4, 4, 4), 256, 256, 16, 1, torch.float32)
    held = []

    def pack(x: torch.Tensor) -> torch.Tensor:
        held.append(x.nbytes)
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        attend(**{**inputs, "q": inputs["q"].requires_grad_()}, causal=True)
    # Every query gathers four blocks of 16, 64 times its own size; what is held is a few tensors of q's.
    assert sum(held) < 16 * inputs["q"].nbytes


SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "values of another shape": ({"v": torch.zeros(2, 2, 49, 16)}, "keys .* and values .* differ in shape"),
    "heads that do not divide": ({"k": torch.zeros(2, 3, 50, 16)}, "3 heads of keys cannot be shared out"),
    "more queries than keys": ({"k": torch.zeros(2, 2, 40, 16)}, "50 queries and 40 keys"),
    "another head size": ({"k": torch.zeros(2, 2, 50, 8)}, "differ in B or D"),
    "lengths beyond the keys": ({"lengths": torch.tensor([50, 51])}, "lengths must be from 0 to the 50 keys"),
    "lengths that are no numbers": ({"lengths": torch.tensor([1.0, 2.0])}, "lengths must be 2 integers"),
}


@pytest.mark.parametrize("problem", SHAPES)
def test_inputs_that_do_not_fit_each_other_are_refused(problem: str) -> None:
    changed, message = SHAPES[problem]
    inputs = drawn((4, 2, 4), 50, 50, 16, 16, torch.float32)
    with pytest.raises(ValueError, match=message):
        attend(**{**inputs, **changed}, causal=True)


@pytest.mark.parametrize("shape", [(2, 4, 3, 2), (2, 3, 4, 2), (1, 4, 4, 2)])
def test_a_selection_for_other_queries_is_refused(shape: tuple[int, ...]) -> None:
    inputs = drawn((4, 2, 4), 50, 50, 16, 16, torch.float32)
    other = Selection(torch.zeros(shape).long(), torch.ones(shape).bool(), 16, 16)
    with pytest.raises(ValueError, match="does not fit 2 sequences of 4 heads and 50 queries in rows of 16"):
        attend(**{**inputs, "selection": other}, causal=True)


def test_a_selection_of_unlike_parts_is_refused() -> None:
    indices, valid = torch.zeros(1, 1, 2, 3).long(), torch.ones(1, 1, 2, 3).bool()
    q = torch.zeros(1, 1, 2, 4)
    for selection, message in (
        (Selection(indices, valid[..., :2]), "indices and valid must both be"),
        (Selection(indices.float(), valid), "integer indices and boolean validity"),
        (Selection(indices, valid, block=0), "blocks of 0 by 1 queries"),
    ):
        with pytest.raises(ValueError, match=message):
            attend(q, q, q, True, selection)
