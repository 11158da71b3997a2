"""The first and the nearest blocks and nothing else: a control that looks at no query and no key.

A method that chooses has to beat this with the same number of keys. Xiao et al., "Efficient Streaming
Language Models with Attention Sinks", ICLR 2024 (arXiv:2309.17453): a window with the first few tokens kept
for ever holds a language model's likelihood, and loses whatever was said before the window. There four
single tokens are kept; here whole blocks, so that every kernel of blocks can attend to them, or with blocks
and rows of one the same as there.
"""

from __future__ import annotations

import torch

from reference_models.attention.asked import Asked, ranks_blocks
from reference_models.attention.method import Method
from reference_models.attention.ranking import EIGHTH
from reference_models.attention.seen import last_seen
from reference_models.attention.selection import Selection

BLOCK = 64
"""Tokens of a block."""


@ranks_blocks(BLOCK, rows=BLOCK, budget=EIGHTH)
def select(asked: Asked) -> Selection:
    """The budget's sinks and else the blocks nearest to the row's last query, one choice for all heads; of q
    and k the shapes alone count."""
    last, rows = last_seen(asked.q, asked.k, True, asked.lengths), asked.rows
    nearest = torch.cat([last[:, rows - 1 :: rows], last[:, -1:]], 1)[:, : -(-asked.q.shape[2] // rows)]
    own = nearest // asked.block
    number = torch.arange(-(-asked.k.shape[2] // asked.block), device=asked.q.device)
    distance = (number - own[..., None]).abs().neg().float()
    return asked.best(distance[:, None])


def scoring(*_: object) -> float:
    """Floating-point operations of selecting: none, since only positions are compared."""
    return 0


METHOD = Method(select, scoring, BLOCK, BLOCK, EIGHTH)
