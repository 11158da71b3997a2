"""Attention over a selection by hiding the other keys from PyTorch's fused kernel.

It computes every score and saves nothing; it is here because it is short, holds no more than a chunk of the
mask, and is the fastest way in plain PyTorch where every query selects many keys of its own.
"""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from reference_models.attention.chunks import budget_of, chunks
from reference_models.attention.seen import last_seen, share_heads, unseen
from reference_models.attention.selection import Selection, check


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    selection: Selection,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """What `selection.attend` computes, and takes the same arguments.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    last = last_seen(q, k, causal, lengths)
    check(q, k, v, selection)
    batch, heads, N, _ = q.shape
    keys = k.shape[2]
    again = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v))
    parts = []
    # Of a pair of query and key there are the mask, its parts while it is made, and a copy as numbers.
    for rows in chunks(N, batch * heads * keys * (4 + q.itemsize), budget_of(q.device)):
        seen = keys - N + rows.stop if causal else keys
        mask = selection.mask(rows, seen) & ~unseen(last[:, rows], seen)
        given = q[:, :, rows], k[:, :, :seen], v[:, :, :seen], share_heads(mask, heads)
        parts.append(checkpoint(_attend, *given, use_reentrant=False) if again else _attend(*given))
    return torch.cat(parts, dim=2)


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    out = scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])
    # Kernels do not agree on what a query without a key gets.
    return out.masked_fill(~mask.any(-1, keepdim=True), 0)
