"""A row of queries shares a choice that each of its queries has a say in.

Two averages of `block_topk` drown the few keys of a far block that one query needs: that of the queries of a
row, and, more so, that of the keys of a block. A number hidden in a text is then lost, though likelihood and
accuracy hardly move. Here every query estimates what share of its attention each block of keys holds, and a
block ranks by the largest share that any query of the row gives it, as SeerAttention (Gao et al., 2024,
arXiv:2410.13276) trains its gate towards attention pooled by the maximum. The estimate takes the keys of a
*part* of a block for their average, as MoBA (Lu et al., 2025, arXiv:2502.13189) and the compressed branch of
NSA (Yuan et al., ACL 2025, arXiv:2502.11089) do for blocks; shares rather than scores are compared, because a
score says little without those beside it.

A kernel reads what it reads for `block_topk`; scoring costs a product of all queries with the averages of
parts, 1/`PART` of all scores. Later queries of a row have their say in what an earlier one sees, as there.
"""

from __future__ import annotations

import math

import torch

from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.chunks import budget_of, chunk_bytes, chunks
from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.ranking import Budget, means
from reference_models.attention.seen import last_seen, share_heads
from reference_models.attention.selection import Selection, in_blocks

BLOCK = 64
"""Tokens of a block, and queries of a row."""

PART = 16
"""Keys that are taken for their average; of a whole block, the average has lost a few keys that matter."""

BUDGET = Budget(keep=0.235, least=4)
"""With the blocks that are kept in any case a quarter of all pairs, from some 4,000 tokens on."""


@ranks_blocks(BLOCK, rows=BLOCK, budget=BUDGET)
def select(asked: Asked, part: int = PART) -> Selection:
    """The blocks of keys for each row of queries, by the largest share that one of its queries gives them.

    Args:
        asked: what every selector is asked.
        part: keys that are averaged, a divisor of the block, or the block where it is smaller.

    Raises:
        ValueError: the part does not divide the block.
    """
    q, k, rows = asked.q, asked.k, asked.rows
    part = min(part, asked.block)
    if part < 1 or asked.block % part:
        raise ValueError(f"parts of {part} keys do not divide blocks of {asked.block}")
    batch, heads, N, D = q.shape
    averages = share_heads(means(k, part, asked.lengths), heads).mT / math.sqrt(D)
    last = last_seen(q, k, asked.causal, asked.lengths)
    number = torch.arange(averages.shape[-1], device=q.device)
    pooled = []
    # A chunk holds whole rows; of a query and a part there are at once a score, a share and a mask.
    for piece in chunks(-(-N // rows), rows * batch * heads * averages.shape[-1] * 12, budget_of(q.device)):
        queries = slice(piece.start * rows, min(N, piece.stop * rows))
        hidden = number > last[:, None, queries, None] // part
        # NaN shows in the result: it gets the whole share.
        scores = (q[:, :, queries].float() @ averages).nan_to_num_(nan=torch.finfo(torch.float32).max)
        scores.masked_fill_(hidden, -math.inf)
        shares = in_blocks(scores.softmax(-1).mT, asked.block // part).sum(3).mT
        pooled.append(in_blocks(shares, rows).amax(3))
    return asked.best(torch.cat(pooled, 2))


def scoring(N: int, D: int, causal: bool) -> float:
    """Floating-point operations of all queries by the averages of parts, half of them when causal."""
    return HEADS * (N * D + 2 * N * math.ceil(N / PART) * D / (2 if causal else 1))


def held(N: int, D: int, dtype: str) -> int:
    """Bytes that selecting holds: averages for every head, a chunk of shares, and what of them is kept."""
    del dtype
    blocks, parts = math.ceil(N / BLOCK), math.ceil(N / PART)
    chunk = chunk_bytes(blocks, BLOCK * HEADS * parts * 12)
    return HEADS * (2 * parts * D + 3 * blocks**2) * 4 + chunk


METHOD = Method(select, scoring, BLOCK, BLOCK, BUDGET, held=held)
