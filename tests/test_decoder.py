"""The decoder with any attention, its cache, and attention over selected keys, on a tiny random model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reference_models.attention.selection import Selection
from reference_models.language.decoder import Cache, Config, Decoder, dense, rotate
from reference_models.language.sparse import Sparse

TINY = Config(vocabulary=50, width=48, hidden=64, layers=3, heads=6, kv_heads=2, context=128)


@pytest.fixture(scope="module")
def model() -> Decoder:
    torch.manual_seed(0)
    return Decoder(TINY).requires_grad_(False)


@pytest.fixture(scope="module")
def tokens() -> Tensor:
    return torch.randint(TINY.vocabulary, (2, 70), generator=torch.Generator().manual_seed(1))


def by_blocks(q: Tensor, k: Tensor, causal: bool) -> Selection:
    """The first block of eight keys and the query's own, for queries of four by themselves."""
    rows = torch.arange(-(-q.shape[2] // 4), device=q.device)
    own = (rows * 4 + k.shape[2] - q.shape[2]) // 8
    indices = torch.stack([torch.zeros_like(own), own], -1).expand(q.shape[0], 1, -1, -1)
    valid = torch.stack([own > 0, own >= 0], -1).expand(q.shape[0], 1, -1, -1)
    return Selection(indices, valid, 8, 4)


@pytest.mark.parametrize("pieces", [[69, 1], [1] * 70, [30, 20, 20]])
def test_reading_piece_by_piece_with_a_cache_is_reading_at_once(
    model: Decoder, tokens: Tensor, pieces: list[int]
) -> None:
    cache = Cache(TINY, 70, model.token_embd.weight, batch=2)
    read = [model(piece, cache=cache) for piece in tokens.split(pieces, 1)]
    assert torch.allclose(torch.cat(read, 1), model(tokens), atol=1e-5)


def test_a_token_changes_nothing_before_it(model: Decoder, tokens: Tensor) -> None:
    changed = tokens.clone()
    changed[:, 40] = (changed[:, 40] + 1) % TINY.vocabulary
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:], atol=1e-4)


def test_scores_depend_on_distances_and_not_on_positions() -> None:
    q, k = torch.randn(2, 1, 1, 1, 16)
    angles = torch.arange(100.0)[:, None] * 10.0 ** -torch.linspace(0, 3, 8)
    rotation = torch.stack([angles.cos(), angles.sin()])
    at = {place: (rotate(q, rotation[:, place, None]), rotation) for place in (5, 60)}
    near, far = ((at[place][0] * rotate(k, rotation[:, place + 17, None])).sum() for place in (5, 60))
    assert near == pytest.approx(float(far), abs=1e-4)


def test_every_layer_can_have_an_attention_of_its_own(model: Decoder, tokens: Tensor) -> None:
    asked: list[int] = []

    def counting(number: int) -> object:
        def attention(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
            asked.append(number)
            return dense(q, k, v, causal)

        return attention

    found = model(tokens, [counting(number) for number in range(3)])
    assert asked == [0, 1, 2]
    assert torch.equal(found, model(tokens))
    with pytest.raises(ValueError, match="2 attentions for 3 layers"):
        model(tokens, [dense, dense])


def test_a_full_cache_says_so(model: Decoder, tokens: Tensor) -> None:
    cache = Cache(TINY, 69, model.token_embd.weight, batch=2)
    with pytest.raises(ValueError, match="holds 69 positions, and 70 are asked for"):
        model(tokens, cache=cache)


def test_a_selection_of_everything_is_dense_attention(model: Decoder, tokens: Tensor) -> None:
    everything = Sparse(None)
    assert torch.allclose(model(tokens, everything), model(tokens), atol=1e-5)
    assert everything.kept == 1.0


@pytest.mark.parametrize("queries", [1, 10, 70])
@pytest.mark.parametrize("at_once", [1, 2**28])
def test_attention_over_selected_keys_sees_those_and_no_later_ones(
    monkeypatch: pytest.MonkeyPatch, queries: int, at_once: int
) -> None:
    monkeypatch.setattr("reference_models.language.sparse.AT_ONCE", at_once)
    draw = torch.Generator().manual_seed(2)
    q = torch.randn(2, 6, queries, 8, generator=draw)
    k, v = torch.randn(2, 2, 2, 70, 8, generator=draw)
    sparse = Sparse(by_blocks)
    found = sparse(q, k, v, True)
    kept = 0
    for query in range(queries):
        place = 70 - queries + query
        # Rows of four queries share the choice that the row's first one makes.
        own = (place - query % 4) // 8
        seen = [key for key in range(place + 1) if key // 8 in (0, own)]
        kept += len(seen)
        keys, values = (x.repeat_interleave(3, 1)[:, :, seen] for x in (k, v))
        weights = (q[:, :, query, None] @ keys.mT / 8**0.5).softmax(-1)
        assert torch.allclose(found[:, :, query], (weights @ values)[:, :, 0], atol=1e-5)
    visible = sum(70 - queries + query + 1 for query in range(queries))
    assert sparse.kept == pytest.approx(kept / visible)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("queries", [1, 70])
def test_what_is_left_out_can_be_read_by_its_averages(causal: bool, queries: int) -> None:
    draw = torch.Generator().manual_seed(3)
    q = torch.randn(1, 4, queries, 8, generator=draw)
    k, v = torch.randn(2, 1, 2, 70, 8, generator=draw)
    exact = Sparse(None)(q, k, v, causal)
    forgotten = Sparse(by_blocks)(q, k, v, causal)
    # Averages of one key are the keys themselves; those of two are near.
    assert torch.allclose(Sparse(by_blocks, 1)(q, k, v, causal), exact, atol=1e-5)
    by_two = Sparse(by_blocks, 2)
    assert (by_two(q, k, v, causal) - exact).norm() < 0.7 * (forgotten - exact).norm()
    assert 0.5 < by_two.kept < 0.75
    # Keys and values that are alike within a part lose nothing.
    alike = [x[:, :, :8].repeat_interleave(8, 2) for x in (k, v)]
    wanted = Sparse(None)(q[:, :, :64], *alike, causal)
    assert torch.allclose(Sparse(by_blocks, 8)(q[:, :, :64], *alike, causal), wanted, atol=1e-5)


def test_gradients_pass_attention_over_selected_keys() -> None:
    q, k, v = (torch.randn(1, 2, 12, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(lambda *qkv: Sparse(by_blocks)(*qkv, True), (q, k, v))


def test_a_query_without_a_key_is_refused() -> None:
    def nothing(q: Tensor, k: Tensor, causal: bool) -> Selection:
        last = torch.full((1, 1, 12, 1), 11)
        return Selection(last, torch.ones_like(last, dtype=torch.bool))

    q, k, v = torch.randn(3, 1, 2, 12, 4)
    with pytest.raises(ValueError, match="left without a key: its own block must be kept"):
        Sparse(nothing)(q, k, v, True)
