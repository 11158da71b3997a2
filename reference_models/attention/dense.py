"""Dense attention by the plain formula, and the oracle that says who is right.

softmax(q kᵀ / √D) v, every query over every key, or with `causal` over the keys up to its own position:
Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 1.
"""

from __future__ import annotations

import math

import torch

from reference_models.attention.chunks import budget_of, chunks
from reference_models.attention.inputs import HEADS
from reference_models.attention.precision import itemsize
from reference_models.attention.selection import Selection


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """The formula operation by operation, as models wrote it before fused kernels.

    Matrix products stay in the inputs' precision; the softmax is taken in float32 at least.
    """
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        scores = scores.masked_fill(future(q.shape[-2], k.shape[-2], 0, q.device), -math.inf)
    weights = scores.softmax(-1, dtype=torch.promote_types(q.dtype, torch.float32)).to(q.dtype)
    return weights @ v


def future(queries: int, keys: int, start: int, device: torch.device) -> torch.Tensor:
    """Which of the first `keys` keys come after each query, the first query being at position `start`:
    booleans of shape (queries, keys)."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).triu(start + 1)


def oracle(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, selection: Selection | None = None
) -> torch.Tensor:
    """The same formula in float64 (float32 on MPS, which has no float64), whose result is not rounded.

    It goes through the queries in chunks, so that no N x N matrix is held at once. With a selection,
    only the keys that it holds are seen: the reference of a sparse method, free of that method's code.
    """
    precise = torch.float32 if q.device.type == "mps" else torch.float64
    q, k, v = q.to(precise), k.to(precise), v.to(precise)
    batch, heads, N, D = q.shape
    out = torch.empty_like(q)
    # Of a pair of query and key there are at once two scores and the mask that hides them.
    for rows in chunks(N, batch * heads * N * (2 * precise.itemsize + 1), budget_of(q.device)):
        seen = rows.stop if causal else N
        scores = q[:, :, rows] @ k[:, :, :seen].mT / math.sqrt(D)
        if causal:
            scores.masked_fill_(future(rows.stop - rows.start, seen, rows.start, q.device), -math.inf)
        if selection is not None:
            scores.masked_fill_(~selection.mask(rows, seen), -math.inf)
        out[:, :, rows] = scores.softmax(-1) @ v[:, :, :seen]
    return out


def work(N: int, D: int, causal: bool, dtype: str, **_: object) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision: two matrix products of 2·N²·D each, half of it when
    causal; q, k and v read once and the result written once. The softmax is not counted, as is the custom."""
    return 4 * HEADS * N**2 * D / (2 if causal else 1), tensors(N, D, dtype), dtype


def tensors(N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes of q, k, v and the result, which is nearly all that a fused kernel needs to hold."""
    return 4 * HEADS * N * D * itemsize(dtype)


def memory(N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes that a call of `attention` needs, inputs and result included: the softmax reads a matrix of
    scores and writes another in float32, which for a shorter format means a third one to convert."""
    size = itemsize(dtype)
    return tensors(N, D, dtype) + HEADS * N**2 * (2 * size if size >= 4 else size + 8) + N**2
