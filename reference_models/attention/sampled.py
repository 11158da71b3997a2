"""Some queries of each row show where all of them look: as many blocks as hold a share of their attention.

Averages say where attention may be; the attention itself says where it is, and costs more than what is saved.
But neighbouring queries look at much the same keys, so that one of `EVERY` can vote for those before it: its
exact softmax over all keys is summed by block, a block ranks by the largest share that a voter of the row
gives it, and the best are taken until they hold γ of what was given. That takes one product, of a part of the
queries with all keys, and no values: for every fourth query, an eighth of dense attention's arithmetic.

Zhu et al., "SampleAttention: Near-Lossless Acceleration of Long Context LLM Inference with Adaptive
Structured Sparse Attention", 2024 (arXiv:2406.15486), samples queries and keeps what holds a share of their
attention, as columns that all queries of a head read; Jiang et al., "MInference 1.0", NeurIPS 2024
(arXiv:2407.02490), asks a prompt's last queries. Here each row of queries asks its own, because a prompt's
topics change, and the maximum over voters keeps what a single one needs, as in `pooled`.

How many blocks are kept depends on the data; what has to be allocated for them is the cap. Later voters of a
row have their say in what an earlier query sees, as in all methods whose rows share a choice.
"""

from __future__ import annotations

import math

import torch

from reference_models.attention import dense, fused
from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.chunks import budget_of, chunk_bytes, chunks
from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.ranking import Budget, holding
from reference_models.attention.seen import check_shapes, last_seen, share_heads
from reference_models.attention.selection import Selection, in_blocks

BLOCK = 64
"""Tokens of a block, and queries of a row. Blocks of 32 keep as much with fewer keys, and take longer."""

EVERY = 4
"""Of so many queries the last one votes. With every eighth, one to two more of a hundred tokens change."""

GAMMA = 0.94
"""The share of the voters' attention that the blocks hold at least."""

CAP = Budget(keep=0.5, least=4)
"""The most blocks that a row gets, and the fewest: half of what it sees, and 256 keys."""


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """Attention over the selected blocks, by kernels where there are any. N need not be a multiple of the
    block."""
    check_shapes(q, k, lengths)
    sizes, sampling = (BLOCK, BLOCK, CAP), fused.Sampling(EVERY, GAMMA)
    if fused.ranks(q, k, *sizes, sampling):
        return fused.attention(q, k, v, causal, *sizes, lengths, sampling)
    return METHOD.attention(q, k, v, causal, lengths)


@ranks_blocks(BLOCK, rows=BLOCK, budget=CAP)
def select(asked: Asked, every: int = EVERY, gamma: float = GAMMA) -> Selection:
    """The fewest blocks that hold `gamma` of the voters' attention, the budget's sure ones among them.

    Args:
        asked: what every selector is asked; its budget is the most blocks that are kept, and its `least` the
            fewest.
        every: of so many queries one votes, a divisor of the rows; of fewer, the last one.
        gamma: the share to reach, above 0 and at most 1.

    Raises:
        ValueError: the share makes no sense, or the rows cannot be divided so.
    """
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma={gamma}: the share of the attention must be above 0 and at most 1")
    every = min(every, asked.rows)
    if every < 1 or asked.rows % every:
        raise ValueError(f"every={every}: voters must divide rows of {asked.rows} queries evenly")
    sizes, sampling = (asked.block, asked.rows, asked.budget), fused.Sampling(every, gamma)
    if fused.ranks(asked.q, asked.k, *sizes, sampling):
        return fused.select(asked.q, asked.k, asked.causal, *sizes, asked.lengths, sampling)
    _, sure = asked.reach()
    pooled = shares(asked, every)
    return holding(asked.best(pooled.clone()), pooled, sure, gamma, asked.budget.least)


def shares(asked: Asked, every: int) -> torch.Tensor:
    """What share of the attention of a row's voters each block has: the largest of each, in sum one; float32
    (B, H, ⌈Nq/rows⌉, ⌈Nk/block⌉)."""
    q, rows = asked.q, asked.rows // every
    last = last_seen(q, asked.k, asked.causal, asked.lengths)
    voters = torch.arange(every - 1, q.shape[2] + every - 1, every, device=q.device).clamp(max=q.shape[2] - 1)
    q, last = q[:, :, voters].float(), last[:, voters]
    k = share_heads(asked.k.float(), q.shape[1])
    (batch, heads, count, _), keys = q.shape, k.shape[2]
    found = []
    # A chunk holds whole rows; of a voter and a key there are at once three scores.
    for part in chunks(-(-count // rows), rows * batch * heads * keys * 12, budget_of(q.device)):
        some = slice(part.start * rows, min(count, part.stop * rows))
        scores = dense.scores(q[:, :, some], k, last[:, some])
        # A key that is NaN gets all the attention, which would be NaN throughout, so that it shows.
        scores.nan_to_num_(nan=torch.finfo(scores.dtype).max, neginf=-math.inf)
        by_block = in_blocks(scores.softmax(-1).mT, asked.block).sum(3).mT
        found.append(in_blocks(by_block, rows).amax(3))
    pooled = torch.cat(found, 2)
    return pooled / pooled.sum(-1, keepdim=True)


def scoring(N: int, D: int, causal: bool) -> float:
    """Floating-point operations of the voters by all keys, half of them when causal."""
    return 2 * HEADS * math.ceil(N / EVERY) * N * D / (2 if causal else 1)


def held(N: int, D: int, dtype: str) -> int:
    """Bytes that selecting holds: voters and keys in float32, a chunk of their scores, and what of them is
    kept."""
    del dtype
    blocks = math.ceil(N / BLOCK)
    chunk = chunk_bytes(blocks, BLOCK // EVERY * HEADS * N * 12)
    return HEADS * (2 * N * D + 5 * blocks**2) * 4 + chunk


METHOD = Method(select, scoring, BLOCK, BLOCK, CAP, held=held, surely=Budget(keep=0, least=CAP.least))
