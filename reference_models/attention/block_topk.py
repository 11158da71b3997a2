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

It is written to be read. In separate operators the scores pass through memory, so that on a GPU a fused
dense kernel stays ahead of it; to turn the skipped work into time there takes a fused kernel.
"""

from __future__ import annotations

from functools import partial

import torch

from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.pages import Pages
from reference_models.attention.ranking import EIGHTH, SIXTEEN, Budget, best_blocks, means
from reference_models.attention.seen import check_shapes, share_heads
from reference_models.attention.selection import Selection, attend

BLOCK = 64
"""Tokens of a block."""


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    budget: Budget = EIGHTH,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention over the selected blocks. N need not be a multiple of the block."""
    selection = select(q, k, causal, block, block, budget, lengths)
    return attend(q, k, v, causal, selection, lengths)


def fixed(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """The same with sixteen blocks for each block of queries."""
    return attention(q, k, v, causal, budget=SIXTEEN)


@torch.no_grad()
def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    rows: int = BLOCK,
    budget: Budget = EIGHTH,
    lengths: torch.Tensor | None = None,
    pages: Pages | None = None,
) -> Selection:
    """The blocks of keys for each row of queries, by the product of their averages.

    Args:
        q, k: of shape (B, H, Nq, D) and (B, Hkv, Nk, D).
        causal: whether blocks that lie wholly in the future are left out.
        block: tokens of a block of keys.
        rows: queries that share a choice, and whose average ranks.
        budget: how many blocks are kept.
        lengths: how many keys each sequence has, (B,); all Nk by default.
        pages: the summaries of k's blocks, made here when they are not given.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    check_shapes(q, k, lengths)
    queries = means(q, rows, None if lengths is None else lengths.clamp(max=q.shape[2]))
    keys = means(k, block, lengths) if pages is None else pages.mean
    scores = queries @ share_heads(keys, q.shape[1]).mT
    return best_blocks(scores, q, k, causal, block, rows, budget, lengths)


def scoring(rows: int, block: int, N: int, D: int, causal: bool) -> float:
    """Floating-point operations of averaging and of the averages' products, half of them when causal."""
    queries, keys = -(-N // rows), -(-N // block)
    averages = (N if rows > 1 else 0) + (N if block > 1 else 0)
    return HEADS * D * (averages + 2 * queries * keys / (2 if causal else 1))


SHARE = Method(select, partial(scoring, BLOCK, BLOCK), BLOCK, BLOCK, EIGHTH)
FIXED = Method(select, partial(scoring, BLOCK, BLOCK), BLOCK, BLOCK, SIXTEEN)
