"""What is kept of each block of keys beside a cache, so that selecting among them does not read the keys.

A new token changes only the last block's. The average ranks blocks in MInference, MoBA and NSA-like methods;
the smallest and the largest number of each channel bound every score of the block (Quest).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from reference_models.attention.ranking import means
from reference_models.attention.selection import in_blocks


class Pages(NamedTuple):
    """Average, smallest and largest of each channel over blocks of keys: (B, Hkv, ⌈Nk/block⌉, D) in float32
    (average) and the keys' type. Blocks without a key have zeros."""

    mean: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor


def summarise(k: torch.Tensor, block: int, lengths: torch.Tensor | None = None) -> Pages:
    """The summaries of all blocks of k (B, Hkv, Nk, D), of the first `lengths` (B,) keys of each sequence."""
    return Pages(means(k, block, lengths), *bounds(k, block, lengths))


def bounds(
    k: torch.Tensor, block: int, lengths: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest and the largest number of each channel over blocks of keys."""
    N = k.shape[2]
    ends = torch.full((1,), N, device=k.device) if lengths is None else lengths.to(k.device)
    missing = torch.arange(-(-N // block) * block, device=k.device) >= ends[:, None]
    missing = missing.view(len(missing), 1, -1, block, 1)
    filled = in_blocks(k, block)
    low = filled.masked_fill(missing, math.inf).amin(3)
    high = filled.masked_fill(missing, -math.inf).amax(3)
    empty = missing.all(3)
    return low.masked_fill_(empty, 0), high.masked_fill_(empty, 0)
