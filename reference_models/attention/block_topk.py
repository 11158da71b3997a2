"""Block top-k: each block of queries attends to the few blocks of keys that look most alike.

Queries and keys are averaged over blocks of `BLOCK` tokens; the products of the averages rank the blocks
of keys for each block of queries, and the best are gathered and attended to exactly: a share of those that
the queries can see (`attention`), or sixteen however long the prompt is (`fixed`). The first
block (the attention sink) and the queries' own block are always among them.

This is the block-sparse head of Jiang et al., "MInference 1.0", NeurIPS 2024 (arXiv:2407.02490), which
averages queries and keys over blocks of 64 in the same way, for heads where that pattern fits, and keeps
no block for sure. It differs from Lu et al., "MoBA", 2025 (arXiv:2502.13189), where every single query
ranks the averages of the blocks of keys and always sees its own block, in a model trained for it; and
from Yuan et al., "Native Sparse Attention", ACL 2025 (arXiv:2502.11089), where single queries rank blocks
by attention over compressed keys that are learned, heads of a group share the choice, the first and
nearest blocks are kept, and learned gates add a compressed and a sliding-window branch. That the first
tokens must be kept: Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024.

A causal query never sees a later key or value, but it shares its choice of blocks with all queries of its
block, later ones too: right for prompts, and not the same as one token at a time.

Written in separate operators it stays behind a fused dense kernel on a GPU, however few keys it attends to;
where Triton has kernels (`fused`: CUDA and ROCm), these do both the selecting and the attending.
"""

from __future__ import annotations

from functools import partial

import torch

from reference_models.attention import fused
from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.ranking import EIGHTH, SIXTEEN, Budget
from reference_models.attention.seen import check_shapes
from reference_models.attention.selection import Selection, attend

BLOCK = 64
"""Tokens of a block."""


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    rows: int = BLOCK,
    budget: Budget = EIGHTH,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention over the selected blocks. N need not be a multiple of the block."""
    check_shapes(q, k, lengths)
    if fused.ranks(q, k, block, rows, budget):
        return fused.attention(q, k, v, causal, block, rows, budget, lengths)
    selection = select(q, k, causal, block, rows, budget, lengths)
    return attend(q, k, v, causal, selection, lengths)


def fixed(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """The same with sixteen blocks for each block of queries."""
    return attention(q, k, v, causal, budget=SIXTEEN)


def wide(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """The same with one choice for each 128 queries, which keep a GPU's matrix units busy where heads are
    wide."""
    return attention(q, k, v, causal, rows=2 * BLOCK)


@ranks_blocks(BLOCK, rows=BLOCK, budget=EIGHTH)
def select(asked: Asked) -> Selection:
    """The blocks of keys for each row of queries, by the product of their averages."""
    sizes = asked.block, asked.rows, asked.budget
    if asked.pages is None and fused.ranks(asked.q, asked.k, *sizes):
        return fused.select(asked.q, asked.k, asked.causal, *sizes, asked.lengths)
    return asked.best(asked.products())


def scoring(rows: int, block: int, N: int, D: int, causal: bool) -> float:
    """Floating-point operations of averaging and of the averages' products, half of them when causal."""
    queries, keys = -(-N // rows), -(-N // block)
    averages = (N if rows > 1 else 0) + (N if block > 1 else 0)
    return HEADS * D * (averages + 2 * queries * keys / (2 if causal else 1))


SHARE = Method(select, partial(scoring, BLOCK, BLOCK), BLOCK, BLOCK, EIGHTH)
FIXED = Method(select, partial(scoring, BLOCK, BLOCK), BLOCK, BLOCK, SIXTEEN)
WIDE = Method(select, partial(scoring, 2 * BLOCK, BLOCK), BLOCK, 2 * BLOCK, EIGHTH)
