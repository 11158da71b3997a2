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
from reference_models.attention.ranking import best_blocks, kept, means
from reference_models.attention.seen import share_heads
from reference_models.attention.selection import Selection, attend, row_bytes

BLOCK = 64
"""Tokens of a block."""

KEEP = 0.125
"""The share of the blocks that a block of queries can see which it gets."""

LEAST = 4
"""Blocks that a query gets at least: of fewer, the sink and its own would leave nothing to choose."""


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    keep: float = KEEP,
    least: int = LEAST,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention over the selected blocks, gathered. N need not be a multiple of the block."""
    return attend(q, k, v, causal, select(q, k, causal, block, keep, least, lengths), lengths)


@torch.no_grad()
def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    keep: float = KEEP,
    least: int = LEAST,
    lengths: torch.Tensor | None = None,
) -> Selection:
    """The blocks of keys for each block of queries, fewer where the past is shorter.

    Args:
        q, k: of shape (B, H, Nq, D) and (B, Hkv, Nk, D).
        causal: whether blocks that lie wholly in the future are left out.
        block: tokens of a block, of queries as of keys.
        keep, least: which share of the blocks that a block of queries can see it gets, and how many at
            least. A fixed number is a share of zero.
        lengths: how many keys each sequence has, (B,); all Nk by default.

    Raises:
        ValueError: the budget makes no sense, or the shapes do not fit each other.
    """
    scores = means(q, block) @ share_heads(means(k, block, lengths), q.shape[1]).mT
    return best_blocks(scores, q, k, causal, block, block, keep, least, lengths)


def reference(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    block: int = BLOCK,
    keep: float = KEEP,
    least: int = LEAST,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """What `attention` means to compute: exact attention over the blocks that it selects."""
    return dense.oracle(q, k, v, causal, select(q, k, causal, block, keep, least, lengths), lengths)


def work(N: int, D: int, causal: bool, dtype: str, **_: object) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision that the method needs: averages, their products (half
    of them when causal), and two products over the selected blocks, which each block of queries reads."""
    blocks = math.ceil(N / BLOCK)
    seen = range(1, blocks + 1) if causal else [blocks] * blocks
    pairs = sum(kept(visible, KEEP, LEAST) for visible in seen)
    flops = HEADS * D * (2 * N + 2 * blocks**2 / (2 if causal else 1) + 4 * pairs * BLOCK**2)
    moved = dense.tensors(N, D, dtype) + 2 * HEADS * pairs * BLOCK * D * itemsize(dtype)
    return flops, moved, dtype


def memory(N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes that a call needs, inputs and result included: q, k, v and the result once more when they
    are filled up to whole blocks, the scores of blocks, and a chunk of gathered blocks."""
    blocks, size = math.ceil(N / BLOCK), itemsize(dtype)
    chunk = chunk_bytes(blocks, HEADS * row_bytes(D, kept(blocks, KEEP, LEAST), BLOCK, BLOCK, size))
    whole = dense.tensors(blocks * BLOCK, D, dtype) if N % BLOCK else 0
    return dense.tensors(N, D, dtype) + whole + HEADS * (2 * blocks * D + 3 * blocks**2) * 4 + chunk
