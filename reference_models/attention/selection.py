"""Which keys each query may see, and attention over those keys alone.

Selecting keys and attending to what was selected are two questions: a sparse method answers the first,
and what follows is the same for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from reference_models.attention.chunks import budget_of, chunks


@dataclass(frozen=True)
class Selection:
    """The blocks of keys that each block of queries may see, all blocks being of `block` tokens.

    `indices` are distinct numbers of blocks of keys, integers of shape (B, H, ⌈N/block⌉, m); `valid`,
    of the same shape, tells which of them count. A selection of tokens has blocks of one.
    """

    indices: torch.Tensor
    valid: torch.Tensor
    block: int = 1

    def mask(self, queries: slice, keys: int) -> torch.Tensor:
        """Which of the first `keys` keys the queries may see: booleans (B, H, queries, keys)."""
        first, last = queries.start // self.block, -(-queries.stop // self.block)
        rows = self.indices[:, :, first:last]
        chosen = torch.zeros(*rows.shape[:3], self.indices.shape[2], dtype=torch.bool, device=rows.device)
        chosen.scatter_(-1, rows, self.valid[:, :, first:last])
        chosen = chosen.repeat_interleave(self.block, dim=2).repeat_interleave(self.block, dim=3)
        start = queries.start - first * self.block
        return chosen[:, :, start : start + queries.stop - queries.start, :keys]


def in_blocks(x: torch.Tensor, block: int) -> torch.Tensor:
    """Splits the tokens of (B, H, N, D) into blocks, the last one filled up with zeros:
    (B·H, ⌈N/block⌉, block, D)."""
    batch, heads, N, D = x.shape
    return pad(x, (0, 0, 0, -N % block)).reshape(batch * heads, -1, block, D)


def block_bytes(D: int, m: int, block: int, size: int) -> int:
    """Bytes that `attend` holds for one block of queries of one head, with numbers of `size` bytes:
    the gathered keys and values and their positions, and the scores on their way to weights."""
    return m * block * (2 * D * size + 24) + block * m * block * (2 * size + 8 + 1)


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, selection: Selection
) -> torch.Tensor:
    """Attention of each query over its selected keys, which are gathered; nothing is N x N.

    A causal query sees no later key even when its block was selected. Every query needs a key to see.
    """
    N, D, block = q.shape[2], q.shape[3], selection.block
    queries, keys, values = in_blocks(q, block), in_blocks(k, block), in_blocks(v, block)
    heads, blocks = queries.shape[:2]
    indices, valid = selection.indices.flatten(0, 1), selection.valid.flatten(0, 1)
    # Whole blocks are gathered as rows of one table, which copies memory instead of single numbers.
    first_row = torch.arange(heads, device=q.device)[:, None, None] * blocks
    key_rows, value_rows = keys.reshape(heads * blocks, -1), values.reshape(heads * blocks, -1)
    within = torch.arange(block, device=q.device)
    own = torch.arange(blocks, device=q.device)[:, None] * block + within
    precise = torch.promote_types(q.dtype, torch.float32)
    out = torch.empty_like(queries)
    each = heads * block_bytes(D, indices.shape[2], block, q.dtype.itemsize)
    for rows in chunks(blocks, each, budget_of(q.device)):
        picked = (indices[:, rows] + first_row).flatten()
        gathered = (heads, rows.stop - rows.start, -1, D)
        scores = queries[:, rows] @ key_rows.index_select(0, picked).view(gathered).mT
        scores = scores.to(precise).div_(math.sqrt(D))
        # A key that does not count gets a position that no query reaches.
        position = indices[:, rows, :, None] * block + within
        position = position.masked_fill_(~valid[:, rows, :, None], blocks * block).flatten(2)
        last = own[rows, :, None] if causal else N - 1
        weights = scores.masked_fill_(position[:, :, None] > last, -math.inf).softmax(-1).to(q.dtype)
        out[:, rows] = weights @ value_rows.index_select(0, picked).view(gathered)
    return out.flatten(1, 2)[:, :N].reshape(q.shape)
