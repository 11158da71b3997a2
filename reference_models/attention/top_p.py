"""As many blocks as it takes to hold a share of the attention, by head and row: budgets that adapt.

Some heads look at a few tokens and some at thousands; a budget for all gives too little to these and too
much to those. Lai et al., "FlexPrefill: A Context-Aware Sparse Attention Mechanism for Efficient
Long-Sequence Inference", ICLR 2025 (arXiv:2502.20766): the softmax of averaged queries over averaged keys
estimates what each block holds, and the largest are taken until they sum to γ. Lin et al., "Twilight:
Adaptive Attention Sparsity with Hierarchical Top-p Pruning", 2025 (arXiv:2502.02770), does the same to the
selection of any other method, and shows why: top-p bounds the error, top-k does not.

FlexPrefill's other pattern (vertical lines and slashes), and its test which of the two a head gets, are
left out. Averages smooth peaks away, so that the estimate is flatter than the attention, and γ no share of
it that could be relied on. How many blocks are kept depends on the data; what has to be allocated for them
is the cap, so that the device is not waited for.
"""

from __future__ import annotations

import math
from functools import partial

import torch

from reference_models.attention import block_topk
from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.method import Method
from reference_models.attention.ranking import Budget, holding
from reference_models.attention.selection import Selection

BLOCK = 64
"""Tokens of a block."""

GAMMA = 0.9
"""The share of the estimated attention that the blocks hold at least; FlexPrefill's 0.9 to 0.95."""

CAP = Budget(keep=0.25, least=4)
"""The most blocks that a row gets."""


@ranks_blocks(BLOCK, rows=BLOCK, budget=CAP)
def select(asked: Asked, gamma: float = GAMMA) -> Selection:
    """The fewest blocks whose estimated attention sums to `gamma`, the budget's sure ones among them.

    Args:
        asked: what every selector is asked; its budget is the most blocks that are kept.
        gamma: the share to reach, above 0 and at most 1.

    Raises:
        ValueError: the share makes no sense.
    """
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma={gamma}: the share of the attention must be above 0 and at most 1")
    visible, sure = asked.reach()
    scores = asked.products() / math.sqrt(asked.q.shape[-1])
    number = torch.arange(scores.shape[-1], device=scores.device)
    limits = torch.finfo(scores.dtype)
    scores.nan_to_num_(nan=limits.max).masked_fill_((number >= visible[..., None])[:, None], limits.min)
    shares = scores.softmax(-1)
    return holding(asked.best(shares.clone()), shares, sure, gamma)


METHOD = Method(
    select, partial(block_topk.scoring, BLOCK, BLOCK), BLOCK, BLOCK, CAP, surely=Budget(keep=0, least=2)
)
