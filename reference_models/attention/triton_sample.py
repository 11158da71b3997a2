"""The choice of blocks by what some queries of each row attend to, in two launches: sums of weights, ranks.

Voters are multiplied by all keys they see, as in dense attention, but nothing of it is kept but the logarithm
of the sum of each block's weights: N² / (every · block) numbers a head. Blocks are independent of each other,
so that short prompts fill a device, too. Then each row makes shares of its voters' sums, takes the largest of
each block, and finds the smallest share that is needed bit by bit, as `triton_select` does.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from reference_models.attention.triton_attend import length_of, sharer
from reference_models.attention.triton_select import most, put, reach, room

VOTERS, KEYS = 64, 128
"""Voters and keys whose products one program takes at once."""

SPAN = 8
"""Such pieces of keys that one program goes through."""


@triton.jit
def _voting(tile, length, Nq, EVERY: tl.constexpr, VOTERS: tl.constexpr, CAUSAL: tl.constexpr):
    """The queries that vote in a tile of voters, and the last key that each of them sees."""
    query = tl.minimum((tile * VOTERS + tl.arange(0, VOTERS) + 1) * EVERY, Nq) - 1
    limit = tl.maximum(length - Nq, 0) + query
    return query, tl.minimum(limit, length - 1) if CAUSAL else limit * 0 + length - 1


@triton.jit
def _log_sums(
    q, k, sums, lengths, voters, blocks, heads, kv_heads, Nq, Nk, scale,
    EVERY: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr, LENGTHS: tl.constexpr,
    VOTERS: tl.constexpr, KEYS: tl.constexpr, SPAN: tl.constexpr,
):  # fmt: skip
    """The base-2 logarithm of each voter's sum of weights on each block of SPAN · KEYS keys."""
    head = tl.program_id(2)
    kv_head = sharer(head, heads, kv_heads).to(tl.int64)
    length = length_of(lengths, head, heads, Nk, LENGTHS)
    query, limit = _voting(tl.program_id(0), length, Nq, EVERY, VOTERS, CAUSAL)
    voter = tl.program_id(0) * VOTERS + tl.arange(0, VOTERS)
    column = tl.arange(0, D)
    mine = (head.to(tl.int64) * Nq + query[:, None]) * D + column[None, :]
    queries = tl.load(q + mine, mask=voter[:, None] < voters, other=0.0)
    first = tl.program_id(1) * SPAN * KEYS
    # What lies wholly in the future of all these voters is not looked at by `_rank` either.
    end = tl.minimum(first + SPAN * KEYS, tl.max(limit, 0) + 1)
    for start in tl.range(first, end, KEYS):
        key = start + tl.arange(0, KEYS)
        theirs = (kv_head * Nk + key[:, None]) * D + column[None, :]
        keys = tl.load(k + theirs, mask=key[:, None] < Nk, other=0.0)
        scores = tl.dot(queries, keys.T, input_precision="ieee")
        if start + KEYS > tl.min(limit, 0) + 1:
            scores = tl.where(key[None, :] <= limit[:, None], scores, float("-inf"))
        largest = tl.max(scores, 1) * scale
        # A voter that sees none of these keys has -inf everywhere, and -inf - -inf is no number.
        largest = tl.where(largest == float("-inf"), 0.0, largest)
        weights = tl.exp2(scores * scale - largest[:, None])
        total = tl.sum(tl.reshape(weights, (VOTERS, KEYS // BLOCK, BLOCK)), 2)
        # The logarithm of nothing is not asked for: what small numbers add is lost beside the largest.
        found = tl.log2(tl.maximum(total, 1e-37)) + largest[:, None]
        # What is not a number gets all the attention, so that it shows.
        found = tl.where(total == total, found, 3e38)
        block = start // BLOCK + tl.arange(0, KEYS // BLOCK)
        places = (head.to(tl.int64) * blocks + block[None, :]) * voters + voter[:, None]
        tl.store(sums + places, found, mask=(voter[:, None] < voters) & (block[None, :] < blocks))


@triton.jit
def needed(shares, order, share):
    """How many of the largest shares, by their order, sum to a share of them all at least."""
    goal = tl.sum(shares, 0) * share
    # The largest bound that enough is above, bit by bit; none is below zero.
    bound = 0
    step = 1 << 30
    for _ in range(31):
        held = tl.sum(tl.where(order >= bound + step, shares, 0.0), 0)
        bound = tl.where(held >= goal, bound + step, bound)
        step = step >> 1
    return tl.sum((order >= bound).to(tl.int32), 0)


@triton.jit
def _rank(
    sums, indices, counts, lengths, voters, tiles, blocks, slots, heads, Nq, Nk, keep, least, gamma,
    PADDED: tl.constexpr, ROWS: tl.constexpr, EVERY: tl.constexpr, BLOCK: tl.constexpr,
    CAUSAL: tl.constexpr, LENGTHS: tl.constexpr,
):  # fmt: skip
    """The blocks of one tile of one head."""
    tile, head = tl.program_id(0), tl.program_id(1)
    length = length_of(lengths, head, heads, Nk, LENGTHS)
    first, final, visible = reach(tile, length, Nq, ROWS, BLOCK, CAUSAL)
    block = tl.arange(0, PADDED)
    pooled = tl.zeros([PADDED], tl.float32)
    for number in tl.static_range(ROWS // EVERY):  # so that no load waits for the one before
        voter = tile * (ROWS // EVERY) + number
        _, limit = _voting(voter, length, Nq, EVERY, 1, CAUSAL)
        places = (head.to(tl.int64) * blocks + block) * voters + voter
        # Behind the last query nobody votes.
        seen = (block * BLOCK <= limit) & (block < tl.where(voter < voters, blocks, 0))
        found = tl.load(sums + places, mask=seen, other=float("-inf"))
        largest = tl.max(found, 0)
        weights = tl.exp2(found - tl.where(largest == float("-inf"), 0.0, largest))
        total = tl.sum(weights, 0)
        pooled = tl.maximum(pooled, weights / tl.where(total == 0.0, 1.0, total))
    own = (block >= first) & (block <= final)
    score = tl.where((block == 0) | own, float("inf"), pooled)
    score = tl.where(block < visible, score, float("-inf"))
    # As integers, floats that are not below zero are in order, and -inf is below them.
    wanted = needed(pooled, score.to(tl.int32, bitcast=True), gamma)
    wanted = tl.minimum(tl.maximum(wanted, least), most(visible, keep, least))
    row = head.to(tl.int64) * tiles + tile
    put(score, wanted, indices, counts, row, slots, block, visible)


def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    keep: float,
    least: int,
    every: int,
    gamma: float,
    lengths: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The blocks of keys for each tile of queries: the first block, the tile's own, and those with the
    largest shares of a voter's attention until they hold `gamma` of the shares; `least` at least, and at most
    `keep` of the blocks that the tile can see.

    Args:
        q, k, block, rows, lengths: as in `triton_select.select`.
        every: of so many queries the last one votes; a divisor of the rows.

    Returns:
        `indices`, ascending, and `counts`, as `triton_attend.forward` takes them.
    """
    batch, heads, Nq, D = q.shape
    kv_heads, Nk = k.shape[1:3]
    blocks, tiles, voters = triton.cdiv(Nk, block), triton.cdiv(Nq, rows), triton.cdiv(Nq, every)
    sums = torch.empty((batch, heads, blocks, voters), dtype=torch.float32, device=q.device)
    shape = {"EVERY": every, "BLOCK": block, "CAUSAL": causal, "LENGTHS": lengths is not None}
    keys = max(KEYS, block)
    _log_sums[(triton.cdiv(voters, VOTERS), triton.cdiv(Nk, SPAN * keys), batch * heads)](
        q, k, sums, lengths, voters, blocks, heads, kv_heads, Nq, Nk, math.log2(math.e) / math.sqrt(D),
        D=D, VOTERS=VOTERS, KEYS=keys, SPAN=SPAN, num_warps=4, num_stages=2, **shape,
    )  # fmt: skip
    indices, counts = room(q, tiles, blocks, keep, least)
    _rank[(tiles, batch * heads)](
        sums, indices, counts, lengths, voters, tiles, blocks, indices.shape[3], heads, Nq, Nk,
        keep, least, gamma, PADDED=max(32, triton.next_power_of_2(blocks)), ROWS=rows, num_warps=1, **shape,
    )  # fmt: skip
    return indices, counts
