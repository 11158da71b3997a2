"""The choice of blocks of keys for each tile of queries, in three launches: averages, products, ranks.

Queries and keys are averaged over their tiles and blocks, and the products of the averages are all that is
held: (N / block)² numbers a head in place of N². Then each row finds the smallest score that is still chosen,
bit by bit from the highest, in as many steps as a number has bits, whatever the number of blocks; nothing is
sorted and the host waits for nothing.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from reference_models.attention.triton_attend import length_of, sharer

PART = 64
"""Averages of queries, and of keys, whose products one program takes."""


@triton.jit
def _average(x, means, head, block, N, length, blocks, BLOCK: tl.constexpr, D: tl.constexpr):
    if block < blocks:
        rows = block * BLOCK + tl.arange(0, BLOCK)
        columns = tl.arange(0, D)
        places = (head * N + rows[:, None]) * D + columns[None, :]
        values = tl.load(x + places, mask=rows[:, None] < length, other=0.0).to(tl.float32)
        # A block behind the end has no average, and is not seen.
        there = tl.maximum(tl.minimum(length - block * BLOCK, BLOCK), 1)
        mean = tl.sum(values, 0) / there
        tl.store(means + (head * blocks + block) * D + columns, mean.to(means.dtype.element_ty))


@triton.jit
def _averages(
    q, q_means, Nq, tiles, q_heads, k, k_means, Nk, blocks, kv_heads, lengths,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, LENGTHS: tl.constexpr,
):  # fmt: skip
    """The mean of one tile of queries or block of keys of one head, over the tokens that are there."""
    block, head = tl.program_id(0), tl.program_id(1).to(tl.int64)
    if head < q_heads:
        _average(q, q_means, head, block, Nq, Nq, tiles, ROWS, D)
    else:
        head -= q_heads
        length = length_of(lengths, head, kv_heads, Nk, LENGTHS)
        _average(k, k_means, head, block, Nk, length, blocks, BLOCK, D)


@triton.jit
def _products(
    queries, keys, scores, lengths, tiles, blocks, heads, kv_heads, Nq, Nk,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr, LENGTHS: tl.constexpr,
    PART: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """PART averages of queries of one head by PART averages of keys; infinite where a block is kept for sure
    and where it is not seen."""
    head = tl.program_id(2)
    kv_head = sharer(head, heads, kv_heads).to(tl.int64)
    tile = tl.program_id(0) * PART + tl.arange(0, PART)
    block = tl.program_id(1) * PART + tl.arange(0, PART)
    length = length_of(lengths, head, heads, Nk, LENGTHS)
    first, final, visible = reach(tile, length, Nq, ROWS, BLOCK, CAUSAL)
    # What lies wholly in the future of all these tiles is not looked at by `_rank` either.
    if tl.program_id(1) * PART < tl.max(visible, 0):
        column = tl.arange(0, D)
        mine = (head.to(tl.int64) * tiles + tile[:, None]) * D + column[None, :]
        theirs = (kv_head * blocks + block[:, None]) * D + column[None, :]
        q = tl.load(queries + mine, mask=tile[:, None] < tiles, other=0.0)
        k = tl.load(keys + theirs, mask=block[:, None] < blocks, other=0.0)
        found = tl.dot(q, k.T, input_precision=PRECISION)
        own = (block[None, :] >= first[:, None]) & (block[None, :] <= final[:, None])
        found = tl.where((block[None, :] == 0) | own, float("inf"), found)
        places = (head.to(tl.int64) * tiles + tile[:, None]) * blocks + block[None, :]
        tl.store(scores + places, found, mask=(tile[:, None] < tiles) & (block[None, :] < blocks))


@triton.jit
def reach(tile, length, Nq, ROWS: tl.constexpr, BLOCK: tl.constexpr, CAUSAL: tl.constexpr):
    """The first and the last block that a tile's own tokens lie in, and how many blocks it sees: what its
    last query sees."""
    offset = tl.maximum(length - Nq, 0)
    end = tl.maximum(length - 1, 0)
    first = tl.minimum(offset + tile * ROWS, end) // BLOCK
    final = tl.minimum(offset + (tile + 1) * ROWS - 1, end) // BLOCK
    return first, final, final + 1 if CAUSAL else final * 0 + (length + BLOCK - 1) // BLOCK


@triton.jit
def choose(scores, wanted):
    """Which of some scores are among the `wanted` largest; of equal ones the first.

    scores: float32 (M,) without NaN; wanted: at most M. Booleans (M,).
    """
    bits = scores.to(tl.int32, bitcast=True)
    # As integers, floats of one sign are in order; those below zero are turned round.
    order = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    # The largest bound that `wanted` scores reach, bit by bit; the first says whether it is positive.
    bound = tl.where(tl.sum((order >= 0).to(tl.int32), 0) >= wanted, 0, -2147483648)
    step = 1 << 30
    for _ in range(31):
        reached = tl.sum((order >= bound + step).to(tl.int32), 0)
        bound = tl.where(reached >= wanted, bound + step, bound)
        step = step >> 1
    above = order > bound
    equal = order == bound
    left = wanted - tl.sum(above.to(tl.int32), 0)
    return above | (equal & (tl.cumsum(equal.to(tl.int32), 0) <= left))


@triton.jit
def most(visible, keep, least):
    """How many blocks a tile gets of those that it sees."""
    # A share such as 0.1 of 10 must not become 2 by the last bit.
    return tl.maximum(tl.ceil(visible.to(tl.float32) * keep - 1e-4).to(tl.int32), least)


@triton.jit
def put(score, wanted, indices, counts, row, slots, block, visible):
    """Writes which blocks of a row are among the `wanted` best, ascending, and how many there are."""
    wanted = tl.minimum(wanted, tl.minimum(visible, slots))
    chosen = choose(score, wanted)
    tl.store(indices + row * slots + tl.cumsum(chosen.to(tl.int32), 0) - 1, block, mask=chosen)
    tl.store(counts + row, wanted)


@triton.jit
def _rank(
    scores, indices, counts, lengths, tiles, blocks, slots, heads, Nq, Nk, share, least,
    PADDED: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, CAUSAL: tl.constexpr,
    LENGTHS: tl.constexpr,
):  # fmt: skip
    """The blocks of one tile of one head."""
    tile, head = tl.program_id(0), tl.program_id(1)
    length = length_of(lengths, head, heads, Nk, LENGTHS)
    _, _, visible = reach(tile, length, Nq, ROWS, BLOCK, CAUSAL)
    row = head.to(tl.int64) * tiles + tile
    block = tl.arange(0, PADDED)
    score = tl.load(scores + row * blocks + block, mask=block < visible, other=float("-inf"))
    put(score, most(visible, share, least), indices, counts, row, slots, block, visible)


def room(
    q: torch.Tensor, tiles: int, blocks: int, keep: float, least: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Memory for `indices` (B, H, tiles, slots) and `counts` (B, H, tiles) of a choice, int32."""
    slots = min(blocks, max(least, math.ceil(keep * blocks)))
    shape = *q.shape[:2], tiles
    return q.new_empty((*shape, slots), dtype=torch.int32), q.new_empty(shape, dtype=torch.int32)


def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    keep: float,
    least: int,
    lengths: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The blocks of keys for each tile of queries: the first block, the tile's own, and those whose average
    has the largest product with the tile's average, up to `keep` of the blocks that the tile can see and at
    least `least`.

    Args:
        q: contiguous, of shape (B, H, Nq, D), the last Nq of Nk positions; D a power of two from 16.
        k: contiguous, of shape (B, Hkv, Nk, D), Hkv dividing H.
        block, rows: tokens of a block of keys, and queries of a tile; powers of two.
        lengths: how many keys each sequence has, int32 of shape (B,), as in `seen`; all Nk by default.

    Returns:
        `indices`, ascending, and `counts`, as `triton_attend.forward` takes them.
    """
    batch, heads, Nq, D = q.shape
    kv_heads, Nk = k.shape[1:3]
    blocks, tiles = triton.cdiv(Nk, block), triton.cdiv(Nq, rows)
    # Averages are kept in the inputs' precision.
    queries, keys = q.new_empty((batch, heads, tiles, D)), k.new_empty((batch, kv_heads, blocks, D))
    _averages[(max(tiles, blocks), batch * (heads + kv_heads))](
        q, queries, Nq, tiles, batch * heads, k, keys, Nk, blocks, kv_heads, lengths,
        ROWS=rows, BLOCK=block, D=D, LENGTHS=lengths is not None, num_warps=4,
    )  # fmt: skip
    indices, counts = room(q, tiles, blocks, keep, least)
    scores = torch.empty((batch, heads, tiles, blocks), dtype=torch.float32, device=q.device)
    shape = {"ROWS": rows, "BLOCK": block, "CAUSAL": causal, "LENGTHS": lengths is not None}
    _products[(triton.cdiv(tiles, PART), triton.cdiv(blocks, PART), batch * heads)](
        queries, keys, scores, lengths, tiles, blocks, heads, kv_heads, Nq, Nk,
        D=D, PART=PART, PRECISION="tf32x3" if q.dtype == torch.float32 else "ieee", num_warps=4, **shape,
    )  # fmt: skip
    # A warp a row, whose lanes count without waiting for other warps.
    _rank[(tiles, batch * heads)](
        scores, indices, counts, lengths, tiles, blocks, indices.shape[3], heads, Nq, Nk, keep, least,
        PADDED=max(32, triton.next_power_of_2(blocks)), num_warps=1, **shape,
    )  # fmt: skip
    return indices, counts
