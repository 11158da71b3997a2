"""The selection oracle: blocks by the attention that dense attention really pays to them.

No method that selects blocks can know more, so that what is lost here is lost to the size of blocks, to the
rows that share a choice and to the budget, and what a method loses beyond it to its score. It computes all
scores and is no way to save time. The oracle of single tokens is `token_topk.select`: the softmax keeps the
order of scores.

A row of queries takes the blocks with the largest sum of weights over its queries. Nothing is kept for sure.
"""

from __future__ import annotations

import math

import torch

from reference_models.attention import dense
from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.chunks import budget_of, chunk_bytes, chunks
from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.ranking import Budget
from reference_models.attention.seen import last_seen, share_heads
from reference_models.attention.selection import Selection, in_blocks

BLOCK = 64
"""Tokens of a block."""

BUDGET = Budget(keep=0.125, least=4, sinks=0, local=0)
"""As many blocks as `block_topk` has, none of them for sure."""


@ranks_blocks(BLOCK, rows=BLOCK, budget=BUDGET)
def select(asked: Asked) -> Selection:
    """The blocks of keys with the largest share of the softmax, in float32; queries of a row share a choice
    by the sum of their weights."""
    rows = asked.rows
    last = last_seen(asked.q, asked.k, asked.causal, asked.lengths)
    q, k = asked.q.float(), share_heads(asked.k.float(), asked.q.shape[1])
    (batch, heads, N, _), keys = q.shape, k.shape[2]
    masses = []
    # A chunk holds whole rows of queries; of a pair there are at once three scores.
    for part in chunks(-(-N // rows), rows * batch * heads * keys * 12, budget_of(q.device)):
        queries = slice(part.start * rows, min(N, part.stop * rows))
        scores = dense.scores(q[:, :, queries], k, last[:, queries])
        # A key that is NaN gets all the attention, which would be NaN throughout, so that it shows.
        scores.nan_to_num_(nan=torch.finfo(scores.dtype).max, neginf=-math.inf)
        by_block = in_blocks(scores.softmax(-1).mT, asked.block).sum(3).mT
        masses.append(in_blocks(by_block, rows).sum(3))
    return asked.best(torch.cat(masses, 2))


def scoring(N: int, D: int, causal: bool) -> float:
    """Floating-point operations of all scores, half of them when causal."""
    return 2 * HEADS * N**2 * D / (2 if causal else 1)


def held(N: int, D: int, dtype: str) -> int:
    """Bytes that selecting holds: q and k in float32, a chunk of scores, and what of them is kept."""
    del dtype
    blocks = math.ceil(N / BLOCK)
    return HEADS * (2 * N * D + 3 * blocks**2) * 4 + chunk_bytes(blocks, BLOCK * HEADS * N * 12)


METHOD = Method(select, scoring, BLOCK, BLOCK, BUDGET, held=held)
