"""Every query ranks blocks by the attention it pays to their summaries, and a group agrees: NSA's selection.

Yuan et al., "Native Sparse Attention: Hardware-Aligned and Natively Trainable Sparse Attention", ACL 2025
(arXiv:2502.11089), section 3.3.2: the scores of blocks are the softmax of a query over compressed keys,
summed over the query heads that share a head of keys, so that these read the same blocks; the first block
and the two nearest are always among the sixteen.

What stands in for what is learned there: keys are compressed by their average and not by a small network, a
compressed block is a selected one, and the branches of compressed and of windowed attention with their
gates are left out. As `moba`, it is timed with `masked.attend`.
"""

from __future__ import annotations

import math
from functools import partial

import torch

from reference_models.attention import block_topk, masked
from reference_models.attention.method import Method
from reference_models.attention.pages import Pages
from reference_models.attention.ranking import Budget, best_blocks, means, reach
from reference_models.attention.seen import share_heads
from reference_models.attention.selection import Selection

BLOCK = 64
"""Tokens of a block of keys."""

BUDGET = Budget(keep=0, least=16, sinks=1, local=2)
"""The paper's: sixteen blocks, the first and two local ones among them."""


@torch.no_grad()
def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    rows: int = 1,
    budget: Budget = BUDGET,
    lengths: torch.Tensor | None = None,
    pages: Pages | None = None,
) -> Selection:
    """The blocks of keys of every group of query heads: (B, Hkv, ⌈Nq/rows⌉, m).

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
    visible, sure = reach(q, k, causal, block, rows, budget, lengths)
    queries = means(q, rows, None if lengths is None else lengths.clamp(max=q.shape[2]))
    keys = means(k, block, lengths) if pages is None else pages.mean
    scores = queries @ share_heads(keys, q.shape[1]).mT / math.sqrt(q.shape[-1])
    # The softmax is over blocks to choose from: the sure ones, of which the query's own has future keys in
    # its average, need no score.
    number = torch.arange(scores.shape[-1], device=q.device)
    hidden = sure | (number >= visible[..., None])
    limits = torch.finfo(scores.dtype)
    scores.nan_to_num_(nan=limits.max).masked_fill_(hidden[:, None], limits.min)
    weights = scores.softmax(-1).view(q.shape[0], k.shape[1], -1, *scores.shape[2:]).sum(2)
    return best_blocks(weights, q, k, causal, block, rows, budget, lengths)


METHOD = Method(select, partial(block_topk.scoring, 1, BLOCK), BLOCK, 1, BUDGET, kernel=masked.attend)
