"""Every query by itself ranks the averages of the blocks of keys: the selection of MoBA.

Lu et al., "MoBA: Mixture of Block Attention for Long-Context LLMs", 2025 (arXiv:2502.13189), equations 4 to
6: the score of a block is the product of the query and the average of the block's keys, a query's own block
is always attended to, and blocks of the future never. There the model is trained with it and keeps no first
block for sure; here the weights come from dense training, so that the sink is kept. The choice is that of
`block_topk` with rows of one query. It follows each query, and gives up that a block of queries reads the
same keys: what is gathered grows by the number of queries.

In plain PyTorch gathering the keys of every query is slower than computing all scores and hiding most, so
that the model is timed with `masked.attend`, and saves nothing. A kernel that regroups the queries by block
does: FlashMoBA, Xiao et al., "Optimizing Mixture of Block Attention", 2025 (arXiv:2511.11571).
"""

from __future__ import annotations

from functools import partial

from reference_models.attention import block_topk, masked
from reference_models.attention.method import Method
from reference_models.attention.ranking import SIXTEEN

BLOCK = 64
"""Tokens of a block of keys. The paper has blocks of 512 and more, for prompts of up to a million."""

select = partial(block_topk.select, block=BLOCK, rows=1, budget=SIXTEEN)
"""`block_topk.select` with a choice for every query."""

METHOD = Method(
    block_topk.select, partial(block_topk.scoring, 1, BLOCK), BLOCK, 1, SIXTEEN, kernel=masked.attend
)
