"""The backward pass of attention over selected blocks, in three launches and without atomic additions.

Weights are computed again from the forward pass's sums, as in Dao, "FlashAttention-2", ICLR 2024, section
3.1. The gradient of the queries walks through the same blocks as the forward pass. That of the keys and
values walks the other way, from each block of keys through the tiles of queries that chose it, so that every
program writes what is its own and the result is the same each time.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from reference_models.attention.triton_attend import block_of, hide, length_of, sharer


@triton.jit
def _weights(q, k, sums, start, length, positions, scale, BLOCK: tl.constexpr, CAUSAL: tl.constexpr):
    """The weights of a block of keys for a tile of queries, as the forward pass had them."""
    scores = tl.dot(q, k.T, input_precision="ieee")
    scores = hide(scores, start, length, positions, BLOCK, CAUSAL)
    return tl.exp2(scores * scale - sums[:, None])


@triton.jit
def _inner(out, given, inner, N, ROWS: tl.constexpr, D: tl.constexpr):
    """The inner product of each result with its gradient."""
    head = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    places = (head * N + rows[:, None]) * D + tl.arange(0, D)[None, :]
    left = tl.load(out + places, mask=rows[:, None] < N, other=0.0).to(tl.float32)
    right = tl.load(given + places, mask=rows[:, None] < N, other=0.0).to(tl.float32)
    tl.store(inner + head * N + rows, tl.sum(left * right, 1), mask=rows < N)


@triton.jit
def _queries(
    q_source, k_source, v_source, given, log_sums, inner, dq, indices, counts, lengths,
    Nq, Nk, tiles, slots, heads, kv_heads, selection_heads, scale,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr, LENGTHS: tl.constexpr,
):  # fmt: skip
    """The gradient of a tile of queries, but for the factor 1/√D."""
    tile, head = tl.program_id(0), tl.program_id(1)
    kv_head = sharer(head, heads, kv_heads)
    row = sharer(head, heads, selection_heads).to(tl.int64) * tiles + tile
    rows = tile * ROWS + tl.arange(0, ROWS)
    q = block_of(q_source, head, tile * ROWS, Nq, ROWS, D, False)
    do = block_of(given, head, tile * ROWS, Nq, ROWS, D, False)
    sums = tl.load(log_sums + head.to(tl.int64) * Nq + rows, mask=rows < Nq, other=0.0)
    # A query that sees no key has no sum; its scores are -inf and its weights must be zero.
    sums = tl.where(sums == float("-inf"), 0.0, sums)
    products = tl.load(inner + head.to(tl.int64) * Nq + rows, mask=rows < Nq, other=0.0)
    length = length_of(lengths, head, heads, Nk, LENGTHS)
    positions = rows + tl.maximum(length - Nq, 0)
    gradient = tl.zeros([ROWS, D], tl.float32)
    for slot in tl.range(0, tl.load(counts + row)):
        start = tl.load(indices + row * slots + slot) * BLOCK
        k = block_of(k_source, kv_head, start, Nk, BLOCK, D, False)
        v = block_of(v_source, kv_head, start, Nk, BLOCK, D, False)
        weights = _weights(q, k, sums, start, length, positions, scale, BLOCK, CAUSAL)
        slope = weights * (tl.dot(do, v.T, input_precision="ieee") - products[:, None])
        gradient = tl.dot(slope.to(k.dtype), k, gradient, input_precision="ieee")
    places = (head.to(tl.int64) * Nq + rows[:, None]) * D + tl.arange(0, D)[None, :]
    tl.store(dq + places, (gradient / tl.sqrt(D * 1.0)).to(dq.dtype.element_ty), mask=rows[:, None] < Nq)


@triton.jit
def _keys_values(
    q_source, k_source, v_source, given, log_sums, inner, dk, dv, choosers, chosen, lengths,
    Nq, Nk, tiles, blocks, heads, kv_heads, selection_heads, scale,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr, LENGTHS: tl.constexpr,
):  # fmt: skip
    """The gradients of a block of keys and of its values, over all heads that share them."""
    block, kv_head = tl.program_id(0), tl.program_id(1)
    start = block * BLOCK
    k = block_of(k_source, kv_head, start, Nk, BLOCK, D, False)
    v = block_of(v_source, kv_head, start, Nk, BLOCK, D, False)
    k_gradient = tl.zeros([BLOCK, D], tl.float32)
    v_gradient = tl.zeros([BLOCK, D], tl.float32)
    group = heads // kv_heads
    length = length_of(lengths, kv_head, kv_heads, Nk, LENGTHS)
    for member in tl.range(0, group):
        head = kv_head * group + member
        row = sharer(head, heads, selection_heads).to(tl.int64) * blocks + block
        for slot in tl.range(0, tl.load(chosen + row)):
            tile = tl.load(choosers + row * tiles + slot).to(tl.int32)
            rows = tile * ROWS + tl.arange(0, ROWS)
            q = block_of(q_source, head, tile * ROWS, Nq, ROWS, D, False)
            do = block_of(given, head, tile * ROWS, Nq, ROWS, D, False)
            # Of queries past the last, what is added is zero, because their gradient is.
            sums = tl.load(log_sums + head.to(tl.int64) * Nq + rows, mask=rows < Nq, other=0.0)
            sums = tl.where(sums == float("-inf"), 0.0, sums)
            products = tl.load(inner + head.to(tl.int64) * Nq + rows, mask=rows < Nq, other=0.0)
            positions = rows + tl.maximum(length - Nq, 0)
            weights = _weights(q, k, sums, start, length, positions, scale, BLOCK, CAUSAL)
            weights = tl.where(rows[:, None] < Nq, weights, 0.0)
            v_gradient = tl.dot(weights.to(do.dtype).T, do, v_gradient, input_precision="ieee")
            slope = weights * (tl.dot(do, v.T, input_precision="ieee") - products[:, None])
            k_gradient = tl.dot(slope.to(q.dtype).T, q, k_gradient, input_precision="ieee")
    rows = start + tl.arange(0, BLOCK)
    places = (kv_head.to(tl.int64) * Nk + rows[:, None]) * D + tl.arange(0, D)[None, :]
    there = rows[:, None] < Nk
    tl.store(dk + places, (k_gradient / tl.sqrt(D * 1.0)).to(dk.dtype.element_ty), mask=there)
    tl.store(dv + places, v_gradient.to(dv.dtype.element_ty), mask=there)


def backward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    out: torch.Tensor,
    log_sums: torch.Tensor,
    given: torch.Tensor,
    causal: bool,
    indices: torch.Tensor,
    counts: torch.Tensor,
    block: int,
    rows: int,
    lengths: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of q, k and v where `given` is that of `out`. Arguments as in `triton_attend.forward`,
    whose results `out` and `log_sums` are."""
    batch, heads, Nq, D = q.shape
    kv_heads, Nk = k.shape[1:3]
    given = given.contiguous()
    dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    inner = torch.empty_like(log_sums)
    tiles, blocks = indices.shape[2], triton.cdiv(Nk, block)
    choosers, chosen = _turned(indices, counts, blocks)
    scale = math.log2(math.e) / math.sqrt(D)
    tiling = {"ROWS": rows, "BLOCK": block, "D": D, "CAUSAL": causal, "LENGTHS": lengths is not None}
    launch = {**tiling, "num_warps": 4, "num_stages": 2}
    _inner[(triton.cdiv(Nq, 64), batch * heads)](out, given, inner, Nq, ROWS=64, D=D)
    _queries[(tiles, batch * heads)](
        q, k, v, given, log_sums, inner, dq, indices, counts, lengths,
        Nq, Nk, tiles, indices.shape[3], heads, kv_heads, indices.shape[1], scale, **launch,
    )  # fmt: skip
    _keys_values[(blocks, batch * kv_heads)](
        q, k, v, given, log_sums, inner, dk, dv, choosers, chosen, lengths,
        Nq, Nk, tiles, blocks, heads, kv_heads, indices.shape[1], scale, **launch,
    )  # fmt: skip
    return dq, dk, dv


def _turned(indices: torch.Tensor, counts: torch.Tensor, blocks: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For each block of keys the tiles that chose it, int32 (B, Hs, blocks, tiles), ascending, of which the
    first so many count: int32 (B, Hs, blocks)."""
    there = torch.arange(indices.shape[3], device=indices.device) < counts[..., None]
    picked = torch.zeros(*indices.shape[:3], blocks + 1, dtype=torch.int8, device=indices.device)
    picked.scatter_(-1, indices.long().masked_fill(~there, blocks), 1)
    columns = picked[..., :blocks].mT
    order = columns.sort(dim=-1, descending=True, stable=True).indices
    return order.int().contiguous(), columns.sum(-1, dtype=torch.int32)
