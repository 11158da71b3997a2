"""Blocks ranked by a bound on their best score, from the smallest and largest number of each channel: Quest.

Tang et al., "Quest: Query-Aware Sparsity for Efficient Long-Context LLM Inference", ICML 2024
(arXiv:2406.10774): no key of a block scores higher than Σ_d max(q_d · low_d, q_d · high_d), so that a single
key that matters lifts its block, where an average of the block would drown it. The paper has pages of 16
keys, decodes one token at a time, leaves the first two layers dense and keeps no page for sure; here the
sink and the nearest block are kept.

The sum is two matrix products, of the positive part of q with `high` and of its negative part with `low`.
Queries that share a choice take the average of their bounds. Prompts are timed with `masked.attend`.
"""

from __future__ import annotations

import math

import torch

from reference_models.attention import masked
from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.pages import Pages, bounds
from reference_models.attention.ranking import SIXTEEN, Budget, best_blocks, means
from reference_models.attention.seen import check_shapes, share_heads
from reference_models.attention.selection import Selection

BLOCK = 64
"""Tokens of a block of keys."""


@torch.no_grad()
def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    rows: int = 1,
    budget: Budget = SIXTEEN,
    lengths: torch.Tensor | None = None,
    pages: Pages | None = None,
) -> Selection:
    """The blocks of keys for each row of queries, by the bound of their scores.

    Args:
        q, k: of shape (B, H, Nq, D) and (B, Hkv, Nk, D).
        causal: whether blocks that lie wholly in the future are left out.
        block: tokens of a block of keys.
        rows: queries that share a choice, by the average of their bounds.
        budget: how many blocks are kept.
        lengths: how many keys each sequence has, (B,); all Nk by default.
        pages: the summaries of k's blocks, made here when they are not given.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    check_shapes(q, k, lengths)
    low, high = bounds(k, block, lengths) if pages is None else (pages.low, pages.high)
    low, high = (share_heads(x.float(), q.shape[1]).mT for x in (low, high))
    # A bound is linear in the two parts of a query, so that parts may be averaged in place of bounds.
    count = None if lengths is None else lengths.clamp(max=q.shape[2])
    above, below = (means(part, rows, count) for part in (q.clamp(min=0), q.clamp(max=0)))
    return best_blocks(above @ high + below @ low, q, k, causal, block, rows, budget, lengths)


def scoring(N: int, D: int, causal: bool) -> float:
    """Floating-point operations of the two products; comparing is not counted."""
    return HEADS * 4 * N * math.ceil(N / BLOCK) * D / (2 if causal else 1)


METHOD = Method(select, scoring, BLOCK, 1, SIXTEEN, kernel=masked.attend)
