"""Attention over selected blocks by FlexAttention, which skips the others inside its kernel.

Dong et al., "Flex Attention", MLSys 2025: a `BlockMask` lists for each block of queries the blocks of keys to
visit, apart those of which every key is seen, for which no mask is looked at. A `Selection` of blocks is such
a list already. Rows and blocks must be multiples of 16, the least that its kernels work on at once.

It is the way to skip blocks on every device that has FlexAttention, and what a kernel written for the
purpose has to beat. Compiled once a shape, see `flex`; not compiled, PyTorch's own eager `flex_attention`
takes no notice of the lists.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch.nn.attention.flex_attention import BlockMask
from torch.nn.functional import pad

from reference_models.attention import block_topk, flex
from reference_models.attention.seen import last_seen, share_heads
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
        NotImplementedError: the selection's blocks are too small, or FlexAttention cannot be compiled here.
    """
    check(q, k, v, selection)
    if selection.rows % 16 or selection.block % 16:
        sizes = f"blocks of {selection.block} by {selection.rows} queries"
        raise NotImplementedError(f"FlexAttention has no kernel for {sizes}: both must be multiples of 16")
    tiles = {"BLOCK_M": math.gcd(selection.rows, 128), "BLOCK_N": math.gcd(selection.block, 64)}
    options = {} if q.device.type == "cpu" else {"kernel_options": tiles}
    return flex.fused(q, k, v, block_mask=block_mask(q, k, causal, selection, lengths), **options)


def block_mask(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    selection: Selection,
    lengths: torch.Tensor | None = None,
) -> BlockMask:
    """A selection as FlexAttention takes it, without waiting for the device."""
    block, rows = selection.block, selection.rows
    queries, keys = q.shape[2], k.shape[2]
    last = last_seen(q, k, causal, lengths)
    first, final = last[:, ::rows], torch.cat([last[:, rows - 1 :: rows], last[:, -1:]], 1)
    first, final = (x[:, None, : selection.indices.shape[2], None] for x in (first, final))
    indices, valid = (share_heads(x, q.shape[1]) for x in (selection.indices, selection.valid))
    whole = valid & ((indices + 1) * block - 1 <= first)
    partly = valid & ~whole & (indices * block <= final)
    start = keys - queries if causal else keys
    mask = flex.causal_from(start) if lengths is None else flex.until(last)
    return BlockMask.from_kv_blocks(
        *_listed(indices, partly, -(-keys // block)),
        *_listed(indices, whole, -(-keys // block)),
        BLOCK_SIZE=(rows, block),
        mask_mod=mask,
        seq_lengths=(queries, keys),
        # The lists turned round, which the backward pass goes by.
        compute_q_blocks=torch.is_grad_enabled() and (q.requires_grad or k.requires_grad),
    )


def _listed(indices: torch.Tensor, wanted: torch.Tensor, blocks: int) -> tuple[torch.Tensor, torch.Tensor]:
    """How many are wanted of each row, and the numbers of these first, in int32 and as many columns as there
    are blocks of keys, which FlexAttention insists on."""
    order = wanted.byte().argsort(dim=-1, descending=True, stable=True)
    listed = indices.gather(-1, order).int()
    return wanted.sum(-1, dtype=torch.int32), pad(listed, (0, blocks - listed.shape[-1]))


METHOD = replace(block_topk.SHARE, kernel=attend)
"""The selection of `block_topk`, attended to by FlexAttention."""
