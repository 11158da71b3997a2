"""The best blocks of keys by a score, under a budget: what all methods that select blocks have in common.

They differ in the score, and in which blocks they keep for sure. Without the first (the attention sink) and
the one that the query itself is in, a trained model loses far more than the budget would say: Xiao et al.,
"Efficient Streaming Language Models with Attention Sinks", ICLR 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from reference_models.attention.seen import last_seen
from reference_models.attention.selection import Selection, in_blocks


@dataclass(frozen=True)
class Budget:
    """How many blocks a row of queries gets: max(least, ⌈keep · those that it can see⌉), or all that it can
    see where these are fewer. A fixed number is a share of zero.

    The first `sinks` blocks and the `local` nearest up to the row's own are among them for sure, as far as
    the budget goes.

    Raises:
        ValueError: the share is not from 0 to 1, or no block would be kept.
    """

    keep: float
    least: int = 1
    sinks: int = 1
    local: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.keep <= 1 or self.least < 1:
            raise ValueError(f"{self}: the share must be from 0 to 1, and at least one block be kept")
        if self.sinks < 0 or self.local < 0:
            raise ValueError(f"{self}: sinks and local blocks cannot be negative")

    def of(self, visible: int) -> int:
        """How many of the blocks that a row of queries can see it gets."""
        return min(visible, max(self.least, math.ceil(self.keep * visible)))

    def each(self, visible: torch.Tensor) -> torch.Tensor:
        """The same for each of many rows."""
        return (visible * self.keep).ceil().clamp_(min=self.least).minimum(visible)


EIGHTH = Budget(keep=0.125, least=4)
"""An eighth of the keys. Of fewer blocks than four, the sink and its own would leave nothing to choose."""

SIXTEEN = Budget(keep=0, least=16)
"""Sixteen blocks however long the prompt is, as in NSA: 1,024 keys in blocks of 64."""


def best_blocks(
    scores: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    budget: Budget,
    lengths: torch.Tensor | None = None,
) -> Selection:
    """The blocks of keys with the highest scores.

    Args:
        scores: of shape (B, Hs, ⌈Nq/rows⌉, ⌈Nk/block⌉), overwritten. NaN ranks before all numbers, so that
            it shows in the result.
        q, k, causal, lengths: as `select` was given them; what is asked of them is their shape.
        block, rows: tokens of a block, and queries that share a choice.
        budget: how many blocks are kept, and which for sure.
    """
    visible, sure = reach(q, k, causal, block, rows, budget, lengths)
    number = torch.arange(scores.shape[-1], device=scores.device)
    scores.nan_to_num_(nan=torch.finfo(scores.dtype).max)
    scores.masked_fill_(sure[:, None], math.inf)
    scores.masked_fill_((number >= visible[..., None])[:, None], -math.inf)
    top = scores.topk(budget.of(scores.shape[-1]), dim=-1).indices
    valid = torch.arange(top.shape[-1], device=top.device) < budget.each(visible)[:, None, :, None]
    return Selection(top, valid.expand_as(top), block, rows)


def holding(
    best: Selection, shares: torch.Tensor, sure: torch.Tensor, gamma: float, least: int = 1
) -> Selection:
    """The first blocks of a selection that hold a share of the attention, and those that are kept for sure.

    Args:
        best: the most blocks, the sure ones first and the others by their shares.
        shares: of the attention, that each block holds, (B, H, ⌈Nq/rows⌉, ⌈Nk/block⌉).
        sure: as `reach` gives it.
        gamma: the share of the attention to reach.
        least: as many blocks are kept in any case, where there are so many.
    """
    held = shares.gather(-1, best.indices)
    # A block is needed while those before it have not reached the share.
    needed = held.cumsum(-1) - held < gamma
    needed |= sure[:, None].expand_as(shares).gather(-1, best.indices)
    needed[..., :least] = True
    return best._replace(valid=best.valid & needed)


def reach(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    budget: Budget,
    lengths: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """How many blocks each row of queries can see (B, ⌈Nq/rows⌉), and which it keeps for sure: booleans
    (B, ⌈Nq/rows⌉, ⌈Nk/block⌉)."""
    visible = _in_rows(last_seen(q, k, causal, lengths), rows).amax(-1) // block + 1
    own = _in_rows(last_seen(q, k, True, lengths), rows) // block
    number = torch.arange(-(-k.shape[2] // block), device=q.device)
    near = (number > own[..., :1] - budget.local) & (number <= own[..., -1:])
    near &= budget.local > 0
    return visible, near | (number < budget.sinks)


def _in_rows(x: torch.Tensor, rows: int) -> torch.Tensor:
    """Splits numbers of queries (B, Nq) into rows that share a choice, the last one filled up with its last
    number: (B, ⌈Nq/rows⌉, rows)."""
    filled = torch.cat([x, x[:, -1:].expand(-1, -x.shape[1] % rows)], dim=1)
    return filled.view(x.shape[0], -1, rows)


def means(x: torch.Tensor, block: int, count: torch.Tensor | None = None) -> torch.Tensor:
    """Averages of blocks of tokens in float32: (B, H, N, D) to (B, H, ⌈N/block⌉, D).

    Only the first `count` tokens of each sequence, (B,), are counted where it is given; a block that has
    none of them averages to zero.
    """
    N = x.shape[2]
    ends = torch.full((1,), N, device=x.device) if count is None else count.to(x.device)
    there = (torch.arange(N, device=x.device) < ends[:, None])[:, None, :, None]
    if count is not None:
        x = x.masked_fill(~there, 0)
    sizes = in_blocks(there, block).sum(3).clamp_(min=1)
    return in_blocks(x, block).sum(3, dtype=torch.float32) / sizes
