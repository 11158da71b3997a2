"""A family of selectors wide enough to search in: how blocks are scored, for whom, and how many are kept.

Each query estimates the softmax mass of every part of the keys from a summary of that part; masses of the
parts of a block add up; queries of a row pool their opinions; the best blocks are kept. With parts of one
token the mass is exact, which makes the family's own oracle.

Two savings of other kinds: only some queries of a row vote, by their exact attention (Jiang et al.,
"MInference 1.0", NeurIPS 2024, asks the last queries of a prompt; here each row asks its own); and scores are
summed along antidiagonals (Xu et al., "XAttention: Block Sparse Attention with Antidiagonal Scoring", ICML
2025, arXiv:2503.16428), so that every query and key has a part in one of them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from reference_models.attention.selection import Selection, in_blocks


def estimate(q: Tensor, k: Tensor, part: int, summary: str) -> Tensor:
    """The logarithm of each query's softmax mass on each part of the keys, up to a constant a query.

    ``mean``: as if all keys of a part were their average (MoBA, NSA). ``bounds``: as if all scored as high as
    the smallest box around them allows (Quest). ``spread``: as if they were normally distributed with their
    mean and variance in each direction, whose log-mass is the mean score plus half the scores' variance.

    Args:
        q: of shape (B, H, Nq, D); k: (B, Hkv, Nk, D).

    Returns:
        Of shape (B, H, Nq, ⌈Nk/part⌉).
    """
    heads, N, D = q.shape[1], k.shape[2], q.shape[3]
    k = k.float().repeat_interleave(heads // k.shape[1], 1)
    q = q.float() / math.sqrt(D)
    size = in_blocks(torch.ones(1, 1, N, 1, device=k.device), part).sum(3)
    keys = in_blocks(k, part)
    mean = keys.sum(3) / size
    if summary == "bounds":
        there = in_blocks(torch.ones(1, 1, N, 1, device=k.device), part) > 0
        high = keys.masked_fill(~there, -math.inf).amax(3)
        low = keys.masked_fill(~there, math.inf).amin(3)
        logits = q.clamp(min=0) @ high.mT + q.clamp(max=0) @ low.mT
    else:
        logits = q @ mean.mT
        if summary == "spread":
            logits += 0.5 * q.square() @ (keys.square().sum(3) / size - mean.square()).mT
    return logits + size.log().mT


def antidiagonal(q: Tensor, k: Tensor, stride: int) -> Tensor:
    """The mean score of each square of `stride` queries and keys along its antidiagonal.

    Args:
        q, k: as in `estimate`, of lengths that the stride divides.

    Returns:
        Of shape (B, H, Nq/stride, Nk/stride).
    """
    k = k.repeat_interleave(q.shape[1] // k.shape[1], 1).float()
    queries = q.float().unflatten(2, (-1, stride)).flatten(3)
    keys = k.unflatten(2, (-1, stride)).flip(3).flatten(3)
    return queries @ keys.mT / (stride * math.sqrt(q.shape[3]))


class Reused:
    """A selector whose choice holds for some layers: of each so many the first one chooses."""

    def __init__(self, layers: int, group: int, **options: Any) -> None:
        self._layers, self._group, self._options = layers, group, options
        self._calls = 0
        self._kept: Selection | None = None

    def __call__(self, q: Tensor, k: Tensor, causal: bool) -> Selection:
        """See `select`; it has to be asked once a layer, in their order."""
        if self._calls % self._layers % self._group == 0 or self._kept is None:
            self._kept = select(q, k, causal, **self._options)
        self._calls += 1
        return self._kept


def select(
    q: Tensor,
    k: Tensor,
    causal: bool,
    block: int = 64,
    rows: int = 64,
    keep: float = 0.25,
    least: int = 256,
    summary: str = "mean",
    part: int | None = None,
    pool: str = "max",
    local: int = 1,
    sinks: int = 1,
    shared: bool = False,
    mass: float | None = None,
    every: int = 1,
    stride: int | None = None,
) -> Selection:
    """The blocks for each row of queries.

    Args:
        keep, least: ⌈keep · blocks that a row can see⌉ blocks are kept, and no fewer than hold `least` keys.
        part: tokens that are summarised together, a divisor of the block; a block when None.
        pool: ``query`` averages the queries of a row first, as `block_topk` does; ``mean`` and ``max`` pool
            their masses.
        local, sinks: so many blocks before the row's own, itself included, and so many first ones stay.
        shared: whether the heads that share keys share a choice.
        mass: when given, as many blocks as hold this share of the pooled mass, and `keep` is the most.
        every: of so many queries the last one votes, a divisor of the rows.
        stride: when given, scores are those of antidiagonals of this many, a divisor of block and rows.
    """
    queries, keys = q.shape[2], k.shape[2]
    per = rows if pool == "query" else stride or every
    # Each votes as the last of those it votes for, the last query of all among them.
    voters = torch.arange(per - 1, queries + per - 1, per, device=q.device).clamp(max=queries - 1)
    if stride is not None:
        part = stride
        padded = (pad(x, (0, 0, 0, -x.shape[2] % stride)) for x in (q, k))
        logits = antidiagonal(*padded, stride)
    elif pool == "query":
        logits = estimate(in_blocks(q, rows).mean(3), k, part or block, summary)
    else:
        logits = estimate(q[:, :, voters], k, part or block, summary)
    part = part or block
    if causal:
        start = torch.arange(logits.shape[3], device=q.device) * part
        logits = logits.masked_fill(start > (voters + keys - queries)[:, None], -math.inf)
    if part < block:
        logits = pad(logits, (0, -logits.shape[-1] % (block // part)), value=-math.inf)
        logits = logits.unflatten(-1, (-1, block // part)).logsumexp(-1)
    number = torch.arange(logits.shape[3], device=q.device)
    found = logits.softmax(-1)
    if rows > per:
        by_row = in_blocks(found, rows // per)
        found = by_row.amax(3) if pool == "max" else by_row.mean(3)
    if shared:
        found = found.unflatten(1, (k.shape[1], -1))
        found = found.amax(2) if pool == "max" else found.mean(2)
    last = (torch.arange(found.shape[2], device=q.device) * rows + rows - 1 + keys - queries).clamp(
        max=keys - 1
    )
    first = (torch.arange(found.shape[2], device=q.device) * rows + keys - queries) // block
    visible = last // block + 1 if causal else torch.full_like(last, len(number))
    near = (number > (first - local)[:, None]) & (number < visible[:, None])
    sure = (near & (number <= (last // block)[:, None])) | (number < sinks)
    ranked = found.masked_fill(sure, math.inf).masked_fill(number >= visible[:, None], -math.inf)
    fewest = -(-least // block)
    most = torch.maximum((visible * keep).ceil().long(), torch.tensor(fewest, device=q.device))
    most = torch.maximum(most, sure.sum(-1)).minimum(visible)
    top = ranked.topk(int(most.max()), dim=-1)
    place = torch.arange(top.indices.shape[-1], device=q.device)
    valid = (place < most[:, None]).expand(top.indices.shape)
    if mass is not None:
        share = found.gather(-1, top.indices) / found.sum(-1, keepdim=True)
        # A block is needed while those before it do not hold the mass.
        valid = valid & ((share.cumsum(-1) - share < mass) | (place < sure.sum(-1)[:, None] + fewest))
    return Selection(top.indices, valid, block, rows)
