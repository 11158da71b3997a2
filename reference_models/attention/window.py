"""The first and the nearest blocks and nothing else: a control that looks at no query and no key.

A method that chooses has to beat this with the same number of keys. Xiao et al., "Efficient Streaming
Language Models with Attention Sinks", ICLR 2024 (arXiv:2309.17453): a window with the first few tokens kept
for ever holds a language model's likelihood, and loses whatever was said before the window. There four
single tokens are kept; here whole blocks, so that every kernel of blocks can attend to them, or with blocks
and rows of one the same as there.
"""

from __future__ import annotations

import torch

from reference_models.attention.method import Method
from reference_models.attention.ranking import EIGHTH, Budget, best_blocks
from reference_models.attention.seen import last_seen
from reference_models.attention.selection import Selection

BLOCK = 64
"""Tokens of a block."""


@torch.no_grad()
def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    rows: int = BLOCK,
    budget: Budget = EIGHTH,
    lengths: torch.Tensor | None = None,
) -> Selection:
    """The budget's sinks and else the blocks nearest to the row's last query, one choice for all heads.

    Args:
        q, k: of shape (B, H, Nq, D) and (B, Hkv, Nk, D), of which the shapes alone count.
        causal: whether blocks that lie wholly in the future are left out.
        block: tokens of a block of keys.
        rows: queries that share a choice.
        budget: how many blocks are kept.
        lengths: how many keys each sequence has, (B,); all Nk by default.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    last = last_seen(q, k, True, lengths)
    nearest = torch.cat([last[:, rows - 1 :: rows], last[:, -1:]], 1)[:, : -(-q.shape[2] // rows)]
    own = nearest // block
    number = torch.arange(-(-k.shape[2] // block), device=q.device)
    distance = (number - own[..., None]).abs().neg().float()
    return best_blocks(distance[:, None], q, k, causal, block, rows, budget, lengths)


def scoring(*_: object) -> float:
    """Floating-point operations of selecting: none, since only positions are compared."""
    return 0


METHOD = Method(select, scoring, BLOCK, BLOCK, EIGHTH)
