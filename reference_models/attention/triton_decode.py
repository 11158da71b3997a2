"""One token at a time over a cache of keys and values: the pages that look most alike, and nothing else read.

The average of each full page of keys is kept beside the cache (it changes no more once the page is full), so
that choosing pages reads one vector a page instead of all its keys: Tang et al., "Quest", ICML 2024
(arXiv:2406.10774), with averages in place of bounds. Two launches: scores of pages, then for each query head
the choice of pages and attention over them. The first page and the newest are always chosen.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from reference_models.attention.triton_attend import length_of, sharer
from reference_models.attention.triton_select import choose


@triton.jit
def _scores(
    q, means, scores, pages, heads, kv_heads, PART: tl.constexpr, D: tl.constexpr
):  # fmt: skip
    """The products of one query with PART averages."""
    head = tl.program_id(1)
    kv_head = sharer(head, heads, kv_heads).to(tl.int64)
    page = tl.program_id(0) * PART + tl.arange(0, PART)
    column = tl.arange(0, D)
    query = tl.load(q + head.to(tl.int64) * D + column).to(tl.float32)
    places = (kv_head * pages + page[:, None]) * D + column[None, :]
    keys = tl.load(means + places, mask=page[:, None] < pages, other=0.0).to(tl.float32)
    found = tl.sum(keys * query[None, :], 1)
    tl.store(scores + head.to(tl.int64) * pages + page, found, mask=page < pages)


@triton.jit
def _decode(
    q, k, v, scores, lengths, out, capacity, pages, wanted, heads, kv_heads, scale,
    PADDED: tl.constexpr, PAGE: tl.constexpr, D: tl.constexpr, LENGTHS: tl.constexpr,
):  # fmt: skip
    """One query: its pages, and attention over them."""
    head = tl.program_id(0)
    kv_head = sharer(head, heads, kv_heads).to(tl.int64)
    length = length_of(lengths, head, heads, capacity, LENGTHS)
    used = (length + PAGE - 1) // PAGE
    page = tl.arange(0, PADDED)
    score = tl.load(scores + head.to(tl.int64) * pages + page, mask=page < used, other=float("-inf"))
    score = tl.where((page == 0) | (page == used - 1), float("inf"), score)
    score = tl.where(page < used, score, float("-inf"))
    count = tl.minimum(wanted, used)
    chosen = choose(score, count)
    place = tl.where(chosen, tl.cumsum(chosen.to(tl.int32), 0) - 1, -1)
    column = tl.arange(0, D)
    query = tl.load(q + head.to(tl.int64) * D + column).to(tl.float32) * scale
    running = tl.zeros([D], tl.float32)
    total = tl.zeros([1], tl.float32)
    largest = tl.full([1], float("-inf"), tl.float32)
    for slot in tl.range(0, count):
        start = tl.sum(tl.where(place == slot, page, 0), 0) * PAGE
        rows = start + tl.arange(0, PAGE)
        places = (kv_head * capacity + rows[:, None]) * D + column[None, :]
        there = rows[:, None] < length
        keys = tl.load(k + places, mask=there, other=0.0).to(tl.float32)
        values = tl.load(v + places, mask=there, other=0.0).to(tl.float32)
        products = tl.where(rows < length, tl.sum(keys * query[None, :], 1), float("-inf"))
        new = tl.maximum(largest, tl.max(products, 0))
        weights = tl.exp2(products - new)
        shrink = tl.exp2(largest - new)
        total = total * shrink + tl.sum(weights, 0)
        running = running * shrink + tl.sum(weights[:, None] * values, 0)
        largest = new
    tl.store(out + head.to(tl.int64) * D + column, (running / total).to(out.dtype.element_ty))


def decode(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    means: torch.Tensor,
    page: int,
    wanted: int,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of one new query a sequence over `wanted` pages of its cache.

    Args:
        q: of shape (B, H, 1, D); D a power of two.
        k, v: caches of shape (B, Hkv, capacity, D), the query's own key and value already in them.
        means: averages of the full pages of keys, of shape (B, Hkv, ⌈capacity/page⌉, D); others are not read
            into any score.
        page: tokens of a page, a power of two.
        wanted: pages that a query gets, the first and the newest among them; at least 2.
        lengths: tokens in each cache, int32 of shape (B,), at least 1; the capacity by default.
    """
    batch, heads, _, D = q.shape
    q, k, v, means = (x.contiguous() for x in (q, k, v, means))
    kv_heads, capacity = k.shape[1:3]
    pages = means.shape[2]
    scores = q.new_empty((batch, heads, pages), dtype=torch.float32)
    part = 32
    _scores[(triton.cdiv(pages, part), batch * heads)](
        q, means, scores, pages, heads, kv_heads, PART=part, D=D, num_warps=4
    )
    out = torch.empty_like(q)
    _decode[(batch * heads,)](
        q, k, v, scores, lengths, out, capacity, pages, wanted, heads, kv_heads,
        math.log2(math.e) / math.sqrt(D),
        PADDED=max(16, triton.next_power_of_2(pages)), PAGE=page, D=D, LENGTHS=lengths is not None,
        num_warps=4, num_stages=3,
    )  # fmt: skip
    return out
