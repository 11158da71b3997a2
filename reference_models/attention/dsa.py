"""A cheap indexer scores single tokens, and the best are attended to: the selection of DeepSeek-V3.2.

DeepSeek-AI, "DeepSeek-V3.2: Pushing the Frontier of Open Large Language Models", 2025 (arXiv:2512.02556),
section 2.1: the index score of a query t and a key s is Σ_j w_tj · ReLU(qᴵ_tj · kᴵ_s) over a few small heads
j in a low precision, and the 2,048 keys with the highest are attended to. All heads of queries that share
a head of keys share the choice, so that each key is read once for them.

What stands in for the learned indexer: its heads are the heads of queries of the group, both sides projected
from D to `SIZE` numbers by an orthonormal matrix drawn from a fixed seed, and w is one. Such a projection
keeps inner products only roughly (Johnson and Lindenstrauss), so that it selects worse than a learned one
should; `projection` takes a better one, such as the leading directions of a head's keys. The work is that of
the real one: the indexer looks at all pairs, at SIZE / D of the cost.
"""

from __future__ import annotations

import math
from functools import cache

import torch

from reference_models.attention.chunks import budget_of, chunk_bytes, chunks
from reference_models.attention.inputs import HEADS
from reference_models.attention.method import Method
from reference_models.attention.precision import itemsize
from reference_models.attention.ranking import Budget
from reference_models.attention.seen import last_seen, unseen
from reference_models.attention.selection import Selection, scales

SIZE = 32
"""Numbers of an index head; the paper's indexer has 128 for heads of 576."""

BUDGET = Budget(keep=0, least=1024, sinks=0, local=0)
"""Keys of each query, as many as sixteen blocks of 64 hold; the paper's are 2,048."""


@torch.no_grad()
def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int = 1,
    rows: int = 1,
    budget: Budget = BUDGET,
    lengths: torch.Tensor | None = None,
    projection: torch.Tensor | None = None,
) -> Selection:
    """The keys with the highest index scores of every group of query heads: (B, Hkv, Nq, m).

    Args:
        q, k: of shape (B, H, Nq, D) and (B, Hkv, Nk, D).
        causal: whether a query sees no later key.
        block, rows: one, since single queries choose single keys.
        budget: how many keys are kept; sinks and local keys are not kept for sure.
        lengths: how many keys each sequence has, (B,); all Nk by default.
        projection: from D to the size of an index head, (D, size) or (Hkv, D, size); the seeded one by
            default.

    Raises:
        ValueError: blocks or rows are asked for, or the shapes do not fit each other.
    """
    if block != 1 or rows != 1:
        raise ValueError("the indexer chooses single keys for single queries: block and rows must be 1")
    last = last_seen(q, k, causal, lengths)
    batch, heads, N, D = q.shape
    groups, keys = k.shape[1], k.shape[2]
    if projection is None:
        projection = seeded(D, min(SIZE, D)).to(q.device)
    projection = projection.to(q.dtype)
    index_keys = (k @ projection).mT
    index_queries = (q * scales(D)[0]).view(batch, groups, -1, N, D)
    index_queries = index_queries @ projection.view(-1, 1, *projection.shape[-2:])
    m = budget.of(keys)
    indices, valid = [], []
    # Of a pair there are the products of each index head, their sum in float32, and the mask.
    for part in chunks(N, batch * keys * (2 * heads * q.itemsize + 9 * groups), budget_of(q.device)):
        seen = max(keys - N + part.stop, m) if causal else keys
        asked = index_queries[:, :, :, part]
        products = asked.flatten(2, 3) @ index_keys[..., :seen]
        scores = products.relu_().view(*asked.shape[:4], seen).sum(2, dtype=torch.float32)
        top = scores.masked_fill_(unseen(last[:, part], seen), -math.inf).topk(m, dim=-1)
        wanted = budget.each(last[:, None, part, None] + 1)
        indices.append(top.indices)
        valid.append(torch.arange(m, device=q.device) < wanted.expand(-1, groups, -1, -1))
    return Selection(torch.cat(indices, 2), torch.cat(valid, 2))


@cache
def seeded(D: int, size: int) -> torch.Tensor:
    """An orthonormal (D, size) matrix, the same everywhere, scaled so that inner products keep their size."""
    drawn = torch.randn(D, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    orthonormal: torch.Tensor = torch.linalg.qr(drawn).Q
    return (orthonormal * math.sqrt(D / size)).float()


def scoring(N: int, D: int, causal: bool) -> float:
    """Floating-point operations of projecting both sides and of all index scores, half when causal."""
    size = min(SIZE, D)
    return HEADS * (4 * N * D * size + 2 * N**2 * size / (2 if causal else 1))


def held(N: int, D: int, dtype: str) -> int:
    """Bytes that selecting holds: both sides projected, and a chunk of index scores."""
    size = itemsize(dtype)
    pairs = chunk_bytes(N, HEADS * N * (2 * size + 9))
    return HEADS * N * (D + 3 * min(SIZE, D)) * size + pairs


METHOD = Method(select, scoring, 1, 1, BUDGET, held=held)
