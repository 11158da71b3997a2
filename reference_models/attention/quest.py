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

from reference_models.attention import masked
from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.pages import bounds
from reference_models.attention.ranking import SIXTEEN
from reference_models.attention.seen import share_heads
from reference_models.attention.selection import Selection

BLOCK = 64
"""Tokens of a block of keys."""


@ranks_blocks(BLOCK, rows=1, budget=SIXTEEN)
def select(asked: Asked) -> Selection:
    """The blocks of keys for each row of queries, by the average of the bounds of its queries' scores."""
    pages = asked.pages
    extremes = bounds(asked.k, asked.block, asked.lengths) if pages is None else (pages.low, pages.high)
    low, high = (share_heads(x.float(), asked.q.shape[1]).mT for x in extremes)
    # A bound is linear in the two parts of a query, so that parts may be averaged in place of bounds.
    above, below = (asked.averaged(part) for part in (asked.q.clamp(min=0), asked.q.clamp(max=0)))
    return asked.best(above @ high + below @ low)


def scoring(N: int, D: int, causal: bool) -> float:
    """Floating-point operations of the two products; comparing is not counted."""
    return HEADS * 4 * N * math.ceil(N / BLOCK) * D / (2 if causal else 1)


METHOD = Method(select, scoring, BLOCK, 1, SIXTEEN, kernel=masked.attend)
