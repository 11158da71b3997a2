"""The best blocks of keys by a score, under a budget: what all methods that select blocks have in common.

They differ in the score. The first block (the attention sink) and the one that the query itself is in are
always selected: without them a trained model loses far more than the budget would say. (Xiao et al.,
"Efficient Streaming Language Models with Attention Sinks", ICLR 2024; NSA and MoBA keep the same.)
"""

from __future__ import annotations

import math

import torch

from reference_models.attention.seen import last_seen
from reference_models.attention.selection import Selection, in_blocks


def means(x: torch.Tensor, block: int, lengths: torch.Tensor | None = None) -> torch.Tensor:
    """Averages of blocks of tokens in float32: (B, H, N, D) to (B, H, ⌈N/block⌉, D).

    Tokens behind the end of a sequence do not count; a block that has none but those averages to zero.
    """
    N = x.shape[2]
    ends = torch.full((1,), N, device=x.device) if lengths is None else lengths.to(x.device)
    there = (torch.arange(N, device=x.device) < ends[:, None])[:, None, :, None]
    if lengths is not None:
        x = x.masked_fill(~there, 0)
    sizes = in_blocks(there, block).sum(3).clamp_(min=1)
    return in_blocks(x, block).sum(3, dtype=torch.float32) / sizes


def best_blocks(
    scores: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    keep: float,
    least: int,
    lengths: torch.Tensor | None = None,
) -> Selection:
    """The blocks of keys with the highest scores.

    Args:
        scores: of shape (B, Hs, ⌈Nq/rows⌉, ⌈Nk/block⌉). NaN ranks first, so that it shows in the result.
        q, k, causal, lengths: as `select` was given them; what is asked of them is their shape.
        block, rows: tokens of a block, and queries that share a choice.
        keep, least: max(least, ⌈keep · those that a row of queries can see⌉) blocks are kept, and all that
            can be seen where these are fewer.

    Raises:
        ValueError: the budget makes no sense, or the shapes do not fit each other.
    """
    last = in_rows(last_seen(q, k, causal, lengths), rows)
    own = in_rows(last_seen(q, k, True, lengths), rows) // block
    visible = last.amax(-1) // block + 1
    number = torch.arange(scores.shape[-1], device=scores.device)
    near = (number >= own[..., :1]) & (number <= own[..., -1:])
    scores = scores.nan_to_num(nan=torch.finfo(scores.dtype).max)
    scores = scores.masked_fill((near | (number == 0))[:, None], math.inf)
    scores = scores.masked_fill((number >= visible[..., None])[:, None], -math.inf)
    top = scores.topk(kept(scores.shape[-1], keep, least), dim=-1, sorted=True).indices
    wanted = (visible * keep).ceil().clamp_(min=least).minimum(visible)
    valid = torch.arange(top.shape[-1], device=top.device) < wanted[:, None, :, None]
    return Selection(top, valid.expand_as(top), block, rows)


def kept(blocks: int, keep: float, least: int) -> int:
    """How many of the blocks that a row of queries can see it gets.

    Raises:
        ValueError: that would be none, or the share is not within 0 and 1.
    """
    if not 0 <= keep <= 1 or least < 1:
        raise ValueError(f"keep={keep}, least={least}: the share must be from 0 to 1, and a block be kept")
    return min(blocks, max(least, math.ceil(keep * blocks)))


def in_rows(x: torch.Tensor, rows: int) -> torch.Tensor:
    """Splits numbers of queries (B, Nq) into rows that share a choice, the last one filled up with its last
    number: (B, ⌈Nq/rows⌉, rows)."""
    filled = torch.cat([x, x[:, -1:].expand(-1, -x.shape[1] % rows)], dim=1)
    return filled.view(x.shape[0], -1, rows)
