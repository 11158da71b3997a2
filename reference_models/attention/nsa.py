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
from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.method import Method
from reference_models.attention.ranking import Budget
from reference_models.attention.selection import Selection

BLOCK = 64
"""Tokens of a block of keys."""

BUDGET = Budget(keep=0, least=16, sinks=1, local=2)
"""The paper's: sixteen blocks, the first and two local ones among them."""


@ranks_blocks(BLOCK, rows=1, budget=BUDGET)
def select(asked: Asked) -> Selection:
    """The blocks of keys of every group of query heads: (B, Hkv, ⌈Nq/rows⌉, m)."""
    scores = asked.products() / math.sqrt(asked.q.shape[-1])
    # The softmax is over blocks to choose from: the sure ones, of which the query's own has future keys in
    # its average, need no score.
    visible, sure = asked.reach()
    number = torch.arange(scores.shape[-1], device=scores.device)
    hidden = sure | (number >= visible[..., None])
    limits = torch.finfo(scores.dtype)
    scores.nan_to_num_(nan=limits.max).masked_fill_(hidden[:, None], limits.min)
    batch, groups = asked.k.shape[:2]
    return asked.best(scores.softmax(-1).view(batch, groups, -1, *scores.shape[2:]).sum(2))


METHOD = Method(select, partial(block_topk.scoring, 1, BLOCK), BLOCK, 1, BUDGET, kernel=masked.attend)
