"""Token top-k: each query attends to the `KEEP` keys it scores highest.

The idea is that of Zhao et al., "Explicit Sparse Transformer", 2019 (arXiv:1912.11637), which masks
scores, and of Gupta et al., "Memory-efficient Transformers via Top-k Attention", SustaiNLP 2021
(arXiv:2106.06899), which works through the queries in chunks.

`masked` is the way of the sketch published with the claim that top-k attention is faster: it computes all
N x N scores, takes the 32 largest of each row, writes them into a matrix of -inf, and takes softmax and
the product with v over the full N x N. It never gathers. Faults of that sketch:

- It does all the work of dense attention and then selects, so it can only be slower, at any k. This is
  its idea and stays; the others are mended here.
- 1/√D is missing, or comes after the masking.
- The causal mask comes after the selection: the top-k of an early query can all lie in the future, its
  row is then empty and its softmax NaN. Here the future is hidden first.
- k larger than N raises in `torch.topk`.
- A large negative number as the mask overflows in float16, and a matrix made without the scores' dtype
  and device fits neither; so does a scatter over another dimension than the keys.

`gathered` makes the same selection and gathers the selected keys and values, so that softmax and the
second product are small. The scores that it selects by are still N².
"""

from __future__ import annotations

import math

import torch

from reference_models.attention import dense
from reference_models.attention.chunks import budget_of, chunk_bytes, chunks
from reference_models.attention.inputs import HEADS
from reference_models.attention.precision import itemsize
from reference_models.attention.seen import last_seen, share_heads
from reference_models.attention.selection import Selection, attend, row_bytes

KEEP = 32
"""Keys of each query."""


def masked(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    keep: int = KEEP,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Top-k attention by masking all scores. Its work is that of `dense.work`, and its selection."""
    last = last_seen(q, k, causal, lengths)
    scores = dense.scores(q, k, last if causal or lengths is not None else None)
    top = scores.topk(min(keep, k.shape[-2]), dim=-1)
    kept = torch.full_like(scores, -math.inf).scatter(-1, top.indices, top.values)
    weights = kept.softmax(-1, dtype=torch.promote_types(q.dtype, torch.float32)).to(q.dtype)
    return weights @ share_heads(v, q.shape[1])


def gathered(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    keep: int = KEEP,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Top-k attention by gathering the selected keys and values."""
    return attend(q, k, v, causal, select(q, k, causal, keep, lengths), lengths)


@torch.no_grad()
def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    keep: int = KEEP,
    lengths: torch.Tensor | None = None,
    hold: float | None = None,
) -> Selection:
    """The `keep` keys with the highest scores of each query, fewer where the past is shorter.

    Args:
        q, k: of shape (B, H, Nq, D) and (B, Hkv, Nk, D); scores are taken in their precision.
        causal: whether a query sees no later key.
        keep: how many keys a query gets; all of them when there are fewer.
        lengths: how many keys each sequence has, (B,); all Nk by default.
        hold: bytes of scores to hold at once, the device's own by default.

    Raises:
        ValueError: no key is to be kept, or the shapes do not fit each other.
    """
    if keep < 1:
        raise ValueError(f"keep={keep}: a query needs at least one key")
    batch, heads, N, _ = q.shape
    keys = k.shape[2]
    m = min(keep, keys)
    last = last_seen(q, k, causal, lengths)
    k = share_heads(k, heads)
    indices, valid = [], []
    hold = budget_of(q.device) if hold is None else hold
    for rows in chunks(N, batch * heads * keys * (2 * q.dtype.itemsize + 1), hold):
        seen = max(keys - N + rows.stop, m) if causal else keys
        top = dense.scores(q[:, :, rows], k[:, :, :seen], last[:, rows]).topk(m, dim=-1)
        indices.append(top.indices)
        # Not "above -inf", which NaN is not: it has to show in the result.
        valid.append(top.values != -math.inf)
    return Selection(torch.cat(indices, 2), torch.cat(valid, 2))


def masked_reference(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    keep: int = KEEP,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """What `masked` means to compute: exact attention over the keys that it selects.

    The scores are taken in one piece as there, since another order of summation breaks ties otherwise.
    """
    return dense.oracle(q, k, v, causal, select(q, k, causal, keep, lengths, hold=math.inf), lengths)


def gathered_reference(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    keep: int = KEEP,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """What `gathered` means to compute: exact attention over the keys that it selects."""
    return dense.oracle(q, k, v, causal, select(q, k, causal, keep, lengths), lengths)


def work_gathered(N: int, D: int, causal: bool, dtype: str, **_: object) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision of `gathered`: all scores (half of them when causal),
    and two products over the selected keys, which each query reads."""
    keep = min(KEEP, N)
    flops = 2 * HEADS * N**2 * D / (2 if causal else 1) + 4 * HEADS * N * keep * D
    return flops, dense.tensors(N, D, dtype) + 2 * HEADS * N * keep * D * itemsize(dtype), dtype


def memory_masked(N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes that a call of `masked` needs, inputs and result included: as dense attention, with the
    scores held beside the masked ones, and the selection."""
    return dense.memory(N, D, dtype) + HEADS * N * (N * itemsize(dtype) + KEEP * (8 + itemsize(dtype)))


def memory_gathered(N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes that a call of `gathered` needs, inputs and result included: the selection, and the larger of
    a chunk of scores and a chunk of gathered keys."""
    size, keep = itemsize(dtype), min(KEEP, N)
    scores = chunk_bytes(N, HEADS * N * (2 * size + 1))
    attended = chunk_bytes(N, HEADS * row_bytes(D, keep, 1, 1, size))
    return dense.tensors(N, D, dtype) + HEADS * N * keep * 9 + max(scores, attended)
