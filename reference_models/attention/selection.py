"""Which keys each query may see, and attention over those keys alone.

Selecting keys and attending to what was selected are two questions: a sparse method answers the first
with a `Selection`, and what follows is the same for all of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint

from reference_models.attention.chunks import budget_of, chunks
from reference_models.attention.seen import last_seen, share_heads


class Selection(NamedTuple):
    """The blocks of keys, of `block` tokens each, that queries may see; `rows` queries share a choice.

    `indices` are numbers of blocks of keys, integers of shape (B, Hs, ⌈Nq/rows⌉, m), each of them below
    ⌈Nk/block⌉; `valid`, booleans of that shape, tells which of them count, and those are distinct. Hs
    divides the heads of the queries: head h uses the choice of h // (H / Hs). A selection of single tokens
    by single queries has a block of one and rows of one.
    """

    indices: torch.Tensor
    valid: torch.Tensor
    block: int = 1
    rows: int = 1

    def mask(self, queries: slice, keys: int) -> torch.Tensor:
        """Which of the first `keys` keys the queries may see: booleans (B, Hs, queries, keys).

        It knows nothing of the causal mask: later keys of a block that was selected count as selected.
        """
        first, last = queries.start // self.rows, -(-queries.stop // self.rows)
        blocks = -(-keys // self.block)
        # What does not count, or lies behind the keys asked for, goes to a column that is cut off.
        picked = self.indices[:, :, first:last].masked_fill(~self.valid[:, :, first:last], blocks)
        chosen = torch.zeros(*picked.shape[:3], blocks + 1, dtype=torch.bool, device=picked.device)
        chosen = chosen.scatter_(-1, picked.clamp_(max=blocks), True)[..., :blocks]
        chosen = chosen.repeat_interleave(self.rows, dim=2).repeat_interleave(self.block, dim=3)
        start = queries.start - first * self.rows
        return chosen[:, :, start : start + queries.stop - queries.start, :keys]


def in_blocks(x: torch.Tensor, block: int) -> torch.Tensor:
    """Splits the tokens of (B, H, N, D) into blocks, the last one filled up with zeros:
    (B, H, ⌈N/block⌉, block, D)."""
    batch, heads, N, D = x.shape
    # Padding by nothing would copy a whole cache.
    filled = pad(x, (0, 0, 0, -N % block)) if N % block else x
    return filled.reshape(batch, heads, -(-N // block), block, D)


def row_bytes(D: int, m: int, block: int, queries: int, size: int) -> int:
    """Bytes that `attend` holds for `queries` queries that share a choice, with numbers of `size` bytes:
    the gathered keys and values and their positions, and the scores on their way to weights."""
    return m * block * (2 * D * size + 24 + queries * (2 * size + 8 + 2))


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    selection: Selection,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of each query over its selected keys, which are gathered; nothing is Nq x Nk.

    A query sees no key that `seen.last_seen` hides, even when its block was selected; one that is left
    without a key gets zeros. NaN shows in every query that sees it; among the values also in those that
    gather its block for another part of it, as in all kernels that hide by a weight of zero.

    Gradients reach q, k and v. Each chunk is computed once more in the backward pass, so that what it
    gathered is not held until then.

    Args:
        q: of shape (B, H, Nq, D), the last queries of each sequence.
        k, v: of shape (B, Hkv, Nk, D); query head h uses the head h // (H / Hkv).
        causal: whether a query sees no later key.
        selection: the keys of each query.
        lengths: how many keys each sequence has, (B,); all Nk by default.

    Returns:
        Of q's shape and type.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    last = last_seen(q, k, causal, lengths)
    check(q, k, v, selection)
    batch, heads, N, D = q.shape
    block, m = selection.block, selection.indices.shape[-1]
    # A unit is a head of keys under one choice; the heads of queries that share it attend together.
    units = math.lcm(k.shape[1], selection.indices.shape[1])
    rows, together = -(-N // selection.rows), (heads // units, selection.rows)
    queries = in_blocks(q, selection.rows).view(batch, units, together[0], rows, together[1], D)
    queries = queries.movedim(2, 3).reshape(batch * units * rows, -1, D)
    last = pad(last, (0, -N % selection.rows), value=-1).view(batch, 1, rows, 1, -1)
    last = last.expand(batch, units, rows, *together).reshape(batch * units * rows, -1, 1)
    # Whole blocks are gathered as rows of one table, which copies memory instead of single numbers.
    keys, values = in_blocks(k, block), in_blocks(v, block)
    blocks = keys.shape[2]
    table = torch.arange(batch * k.shape[1], device=q.device).view(batch, -1) * blocks
    table = share_heads(table, units)[:, :, None, None]
    indices, valid = share_heads(selection.indices, units), share_heads(selection.valid, units)
    places, indices, valid = (x.reshape(-1, m) for x in (indices + table, indices, valid))
    # What does not count is not gathered: its row reads again a block that does, and hides it.
    places = places.where(valid, places.gather(1, valid.byte().argmax(-1, keepdim=True)))
    key_rows, value_rows = keys.reshape(-1, block * D), values.reshape(-1, block * D)
    again = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v))
    each = row_bytes(D, m, block, queries.shape[1], q.itemsize)
    parts = []
    for part in chunks(len(queries), each, budget_of(q.device)):
        given = queries[part], key_rows, value_rows, places[part], indices[part], valid[part], last[part]
        parts.append(checkpoint(_attend, *given, use_reentrant=False) if again else _attend(*given))
    out = torch.cat(parts).view(batch, units, rows, *together, D).movedim(3, 2).flatten(3, 4)
    return out[:, :, :, :N].reshape(q.shape)


def _attend(
    queries: torch.Tensor,
    key_rows: torch.Tensor,
    value_rows: torch.Tensor,
    places: torch.Tensor,
    indices: torch.Tensor,
    valid: torch.Tensor,
    last: torch.Tensor,
) -> torch.Tensor:
    """Queries (T, n, D) over the rows of the tables at `places` (T, m), which are blocks `indices`."""
    rows, _, D = queries.shape
    block = key_rows.shape[1] // D
    gathered = (rows, -1, D)
    before, after = scales(D)
    scores = (queries * before) @ key_rows.index_select(0, places.flatten()).view(gathered).mT
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    scores = scores if after == 1 else scores * after
    position = indices[:, :, None] * block + torch.arange(block, device=queries.device)
    # A key that does not count gets a position that no query reaches.
    position = position.masked_fill_(~valid[:, :, None], torch.iinfo(position.dtype).max).flatten(1)
    hidden = position[:, None] > last
    # A query without a key sees them all, which makes no NaN, and its result is dropped.
    nothing = hidden.all(-1, keepdim=True)
    weights = scores.masked_fill_(hidden & ~nothing, -math.inf).softmax(-1).to(queries.dtype)
    out = weights @ value_rows.index_select(0, places.flatten()).view(gathered)
    return out.masked_fill(nothing, 0)


def scales(D: int) -> tuple[float, float]:
    """1/√D in two factors: a power of two for the queries, so that no score overflows in a short format
    while nothing is rounded, and what is left for the scores in a longer one."""
    before = 2.0 ** -math.ceil(math.log2(D) / 2)
    return before, 1 / (before * math.sqrt(D))


def check(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, selection: Selection) -> None:
    """Whether a selection can be attended to; looks at shapes and types alone, which stops no device.

    Raises:
        ValueError: it cannot.
    """
    indices, valid, block, rows = selection
    batch, heads, N, _ = q.shape
    if k.shape != v.shape:
        raise ValueError(f"keys {tuple(k.shape)} and values {tuple(v.shape)} differ in shape")
    if indices.dim() != 4 or indices.shape != valid.shape:
        shapes = f"{tuple(indices.shape)} and {tuple(valid.shape)}"
        raise ValueError(f"indices and valid must both be (B, Hs, rows, m), not {shapes}")
    if indices.is_floating_point() or valid.dtype != torch.bool:
        raise ValueError("a selection needs integer indices and boolean validity")
    if block < 1 or rows < 1:
        raise ValueError(f"a selection of blocks of {block} by {rows} queries makes no sense")
    if indices.shape[0] != batch or heads % indices.shape[1] or indices.shape[2] != -(-N // rows):
        raise ValueError(
            f"a selection of shape {tuple(indices.shape)} does not fit {batch} sequences of {heads} heads "
            f"and {N} queries in rows of {rows}"
        )
