"""Block top-k: each block of queries attends to the few blocks of keys that look most alike.

Queries and keys are averaged over blocks of `BLOCK` tokens; the products of the averages rank the blocks
of keys for each block of queries, and the best share is gathered and attended to exactly. The first
block (the attention sink) and the queries' own block are always among them.

This is the block-sparse head of Jiang et al., "MInference 1.0", NeurIPS 2024 (arXiv:2407.02490), which
averages queries and keys over blocks of 64 in the same way, for heads where that pattern fits, and keeps
no block for sure. It differs from Lu et al., "MoBA", 2025 (arXiv:2502.13189), where every single query
ranks the averages of the blocks of keys and always sees its own block, in a model trained for it; and
from Yuan et al., "Native Sparse Attention", ACL 2025 (arXiv:2502.11089), where single queries rank blocks
by attention over compressed keys that are learned, heads of a group share the choice, the first and
nearest blocks are kept, and learned gates add a compressed and a sliding-window branch. That the first
tokens must be kept: Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024.

A causal query never sees a later key or value, but it shares its choice of blocks with all queries of its
block, later ones too: right for prompts, and not the same as one token at a time.

It is written to be read. In separate operators the scores pass through memory, so that on a GPU a fused
dense kernel stays ahead of it; to turn the skipped work into time there takes a fused kernel.
"""

from __future__ import annotations

import math

import torch

from reference_models.attention import dense
from reference_models.attention.chunks import chunk_bytes
from reference_models.attention.inputs import HEADS
from reference_models.attention.precision import itemsize
from reference_models.attention.selection import Selection, attend, block_bytes, in_blocks

BLOCK = 64
"""Tokens of a block."""

KEEP = 0.125
"""The share of all keys that a query gets."""

LEAST = 4
"""Blocks that a query gets at least: of fewer, the sink and its own would leave nothing to choose."""


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, block: int = BLOCK, keep: float = KEEP
) -> torch.Tensor:
    """Attention over the selected blocks, gathered. N need not be a multiple of the block."""
    return attend(q, k, v, causal, select(q, k, causal, block, keep))


def select(
    q: torch.Tensor, k: torch.Tensor, causal: bool, block: int = BLOCK, keep: float = KEEP
) -> Selection:
    """The blocks of keys for each block of queries, fewer where the past is shorter.

    Args:
        q, k: of shape (B, H, N, D).
        causal: whether blocks that lie wholly in the future are left out.
        block: tokens of a block.
        keep: the share of all N keys that is selected, whether causal or not.
    """
    batch, heads, N, _ = q.shape
    # The last block is filled up with zeros, which must not count in its average.
    sizes = in_blocks(torch.ones(1, 1, N, 1, device=q.device), block).sum(2)
    queries, keys = (in_blocks(x, block).sum(2, dtype=torch.float32) / sizes for x in (q, k))
    scores = queries @ keys.mT
    blocks = scores.shape[-1]
    if causal:
        scores.masked_fill_(dense.future(blocks, blocks, 0, q.device), -math.inf)
    scores[..., 0] = math.inf
    scores.diagonal(dim1=-2, dim2=-1).fill_(math.inf)
    top = scores.topk(kept_blocks(blocks, keep), dim=-1)
    shape = (batch, heads, blocks, -1)
    return Selection(top.indices.view(shape), (top.values > -math.inf).view(shape), block)


def kept_blocks(blocks: int, keep: float = KEEP) -> int:
    """How many of the blocks each query gets."""
    return min(blocks, max(LEAST, math.ceil(keep * blocks)))


def reference(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, block: int = BLOCK, keep: float = KEEP
) -> torch.Tensor:
    """What `attention` means to compute: exact attention over the blocks that it selects."""
    return dense.oracle(q, k, v, causal, select(q, k, causal, block, keep))


def work(N: int, D: int, dtype: str, **_: object) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision, as executed: averages, their products, and two
    products over the selected blocks, which each block of queries reads. Blocks that a causal query cannot
    see are gathered all the same, so `causal` changes nothing."""
    blocks = math.ceil(N / BLOCK)
    kept = kept_blocks(blocks)
    flops = HEADS * D * (2 * N + 2 * blocks**2 + 4 * blocks * BLOCK * kept * BLOCK)
    moved = dense.tensors(N, D, dtype) + 2 * HEADS * blocks * kept * BLOCK * D * itemsize(dtype)
    return flops, moved, dtype


def memory(N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes that a call needs, inputs and result included: q, k, v and the result once more when they
    are filled up to whole blocks, the scores of blocks, and a chunk of gathered blocks."""
    blocks, size = math.ceil(N / BLOCK), itemsize(dtype)
    chunk = chunk_bytes(blocks, HEADS * block_bytes(D, kept_blocks(blocks), BLOCK, size))
    whole = dense.tensors(blocks * BLOCK, D, dtype) if N % BLOCK else 0
    return dense.tensors(N, D, dtype) + whole + HEADS * (2 * blocks * D + 3 * blocks**2) * 4 + chunk
