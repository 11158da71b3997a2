"""Attention over selected blocks of keys in one fused kernel: what is not selected is never read.

A program takes a tile of queries that share a row of the selection, walks through the row's blocks of keys
and keeps the softmax's running maximum and sum beside the result (Milakov and Gimelshein, "Online normalizer
calculation for softmax", 2018; Dao, "FlashAttention-2", ICLR 2024). Exponentials are taken to the base 2,
which the hardware has, with log2(e) in the scale. Rows of a selection are ascending, so that only the last
few blocks of a causal row reach past a query and need a mask; the loop over all others has none.

Where the device has it (CUDA, compute capability 9 and up), blocks are brought by the tensor memory
accelerator through descriptors; elsewhere by ordinary loads.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def block_of(source, head, start, N, BLOCK: tl.constexpr, D: tl.constexpr, TMA: tl.constexpr):
    """Rows `start` to `start + BLOCK` of one head of (heads, N, D), zeros past the last."""
    if TMA:
        tile = source.load([head, start, 0]).reshape(BLOCK, D)
    else:
        rows = start + tl.arange(0, BLOCK)
        places = (head.to(tl.int64) * N + rows[:, None]) * D + tl.arange(0, D)[None, :]
        tile = tl.load(source + places, mask=rows[:, None] < N, other=0.0)
    return tile


@triton.jit
def sharer(head, heads, shared):
    """The one of `shared` heads that a head of `heads` belongs to, both counted over the batch."""
    return head // heads * shared + head % heads // (heads // shared)


@triton.jit
def length_of(lengths, head, heads, Nk, LENGTHS: tl.constexpr):
    """How many keys the sequence of a head has."""
    length = Nk
    if LENGTHS:
        length = tl.load(lengths + head // heads)
    return length


@triton.jit
def hide(scores, start, length, positions, BLOCK: tl.constexpr, CAUSAL: tl.constexpr):
    """-inf where a key of the block is past the last or, when causal, past the query."""
    keys = start + tl.arange(0, BLOCK)
    seen = keys[None, :] < length
    if CAUSAL:
        seen = seen & (keys[None, :] <= positions[:, None])
    return tl.where(seen, scores, float("-inf"))


@triton.jit
def _take(
    q, k_source, v_source, head, start, Nk, length, positions, running, total, largest, scale,
    BLOCK: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr, MASKED: tl.constexpr, TMA: tl.constexpr,
):  # fmt: skip
    """Takes one block of keys into the running result."""
    scores = tl.dot(q, block_of(k_source, head, start, Nk, BLOCK, D, TMA).T, input_precision="ieee")
    if MASKED:
        scores = hide(scores, start, length, positions, BLOCK, CAUSAL)
    new = tl.maximum(largest, tl.max(scores, 1) * scale)
    # A row that has seen no key yet has -inf everywhere, and -inf - -inf is no number.
    base = tl.where(new == float("-inf"), 0.0, new) if MASKED else new
    weights = tl.exp2(scores * scale - base[:, None])
    shrink = tl.exp2(largest - base)
    total = total * shrink + tl.sum(weights, 1)
    v = block_of(v_source, head, start, Nk, BLOCK, D, TMA)
    running = tl.dot(weights.to(v.dtype), v, running * shrink[:, None], input_precision="ieee")
    return running, total, new


@triton.jit
def _forward(
    q_source, k_source, v_source, out, log_sums, indices, counts, lengths,
    Nq, Nk, tiles, slots, heads, kv_heads, selection_heads, scale,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr, TAIL: tl.constexpr,
    LENGTHS: tl.constexpr, TMA: tl.constexpr,
):  # fmt: skip
    """A tile of ROWS queries of one head."""
    # The last tiles of a causal prompt have the most to do and go first.
    tile = tiles - 1 - tl.program_id(0)
    head = tl.program_id(1)
    kv_head = sharer(head, heads, kv_heads)
    row = sharer(head, heads, selection_heads).to(tl.int64) * tiles + tile
    q = block_of(q_source, head, tile * ROWS, Nq, ROWS, D, TMA)
    rows = tile * ROWS + tl.arange(0, ROWS)
    length = length_of(lengths, head, heads, Nk, LENGTHS)
    positions = rows + tl.maximum(length - Nq, 0)
    running = tl.zeros([ROWS, D], tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    count = tl.load(counts + row)
    whole = tl.maximum(count - TAIL, 0)
    for slot in tl.range(0, whole):
        start = tl.load(indices + row * slots + slot) * BLOCK
        running, total, largest = _take(
            q, k_source, v_source, kv_head, start, Nk, length, positions, running, total, largest, scale,
            BLOCK, D, CAUSAL, False, TMA,
        )  # fmt: skip
    for slot in tl.range(whole, count):
        start = tl.load(indices + row * slots + slot) * BLOCK
        running, total, largest = _take(
            q, k_source, v_source, kv_head, start, Nk, length, positions, running, total, largest, scale,
            BLOCK, D, CAUSAL, True, TMA,
        )  # fmt: skip
    # A query that sees no key gets zeros.
    safe = tl.where(total == 0.0, 1.0, total)
    places = (head.to(tl.int64) * Nq + rows[:, None]) * D + tl.arange(0, D)[None, :]
    tl.store(out + places, (running / safe[:, None]).to(out.dtype.element_ty), mask=rows[:, None] < Nq)
    tl.store(log_sums + head.to(tl.int64) * Nq + rows, largest + tl.log2(safe), mask=rows < Nq)


def forward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    indices: torch.Tensor,
    counts: torch.Tensor,
    block: int,
    rows: int,
    lengths: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of every query over the blocks that its row of the selection names.

    Args:
        q: contiguous, of shape (B, H, Nq, D), the last Nq of Nk positions; D a power of two from 16.
        k, v: contiguous, of shape (B, Hkv, Nk, D), Hkv dividing H.
        causal: whether a query sees no key after its own position.
        indices: numbers of blocks of keys, int32 of shape (B, Hs, ⌈Nq/rows⌉, m), Hs dividing H; the first
            `counts` of each row count and are ascending.
        counts: int32 of shape (B, Hs, ⌈Nq/rows⌉).
        block, rows: tokens of a block of keys, and queries that share a row; powers of two from 16.
        lengths: how many keys each sequence has, int32 of shape (B,), as in `seen`; all Nk by default.

    Returns:
        The result, of q's shape and dtype, and for the backward pass the base-2 logarithm of each query's
        sum of weights, float32 of shape (B, H, Nq).
    """
    batch, heads, Nq, D = q.shape
    kv_heads, Nk = k.shape[1:3]
    out, log_sums = torch.empty_like(q), q.new_empty((batch, heads, Nq), dtype=torch.float32)
    tma = has_tma(q.device)
    sources: list[torch.Tensor | TensorDescriptor] = [q, k, v]
    if tma:
        sources = [
            TensorDescriptor.from_tensor(x.view(-1, x.shape[2], D), [1, size, D])
            for x, size in ((q, rows), (k, block), (v, block))
        ]
    tiles = indices.shape[2]
    # Of 112 launches tried on an H200, two stages and four warps were fastest at every shape.
    _forward[(tiles, batch * heads)](
        *sources, out, log_sums, indices, counts, lengths,
        Nq, Nk, tiles, indices.shape[3], heads, kv_heads, indices.shape[1], math.log2(math.e) / math.sqrt(D),
        ROWS=rows, BLOCK=block, D=D, CAUSAL=causal,
        TAIL=_tail(rows, block, causal, Nk - Nq, lengths is not None), LENGTHS=lengths is not None, TMA=tma,
        num_warps=4, num_stages=2,
    )  # fmt: skip
    return out, log_sums


def _tail(rows: int, block: int, causal: bool, offset: int, ragged: bool) -> int:
    """How many of a row's last blocks may hold keys that some of its queries must not see. A tile that does
    not begin where a block does reaches into one more."""
    if not causal:
        return 1
    return -(-rows // block) + (1 if ragged or offset % block or rows % block else 0)


def has_tma(device: torch.device) -> bool:
    """Whether blocks can be brought by the tensor memory accelerator."""
    return (
        device.type == "cuda"
        and torch.version.cuda is not None
        and torch.cuda.get_device_capability(device)[0] >= 9
    )
