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
from reference_models.attention.seen import check_shapes, last_seen, share_heads, unseen
from reference_models.attention.selection import Selection, scales


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """The formula operation by operation, as models wrote it before fused kernels.

    Matrix products stay in the inputs' precision; the softmax is taken in float32 at least. A sequence
    without any key gives NaN, as it does in such models.
    """
    check_shapes(q, k, lengths)
    hidden = causal or lengths is not None
    found = scores(q, k, last_seen(q, k, causal, lengths) if hidden else None)
    weights = found.softmax(-1, dtype=torch.promote_types(q.dtype, torch.float32)).to(q.dtype)
    return weights @ share_heads(v, q.shape[1])


def scores(q: torch.Tensor, k: torch.Tensor, last: torch.Tensor | None) -> torch.Tensor:
    """q kᵀ / √D of shape (B, H, Nq, Nk) in the inputs' precision, -inf at keys after `last` (B, Nq)."""
    before, after = scales(q.shape[-1])
    products = (q * before) @ share_heads(k, q.shape[1]).mT
    products = products if after == 1 else products * after
    return products if last is None else products.masked_fill(unseen(last, k.shape[2]), -math.inf)


def oracle(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    selection: Selection | None = None,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """The same formula in float64 (float32 on MPS, which has no float64), whose result is not rounded.

    It goes through the queries in chunks, so that no Nq x Nk matrix is held at once. With a selection,
    only the keys that it holds are seen: the reference of a sparse method, free of that method's code.
    A query that is left without a key gets zeros.
    """
    precise = torch.float32 if q.device.type == "mps" else torch.float64
    q, k, v = q.to(precise), k.to(precise), v.to(precise)
    last = last_seen(q, k, causal, lengths)
    k, v = share_heads(k, q.shape[1]), share_heads(v, q.shape[1])
    batch, heads, N, D = q.shape
    keys = k.shape[2]
    parts = []
    # Of a pair of query and key there are at once two scores and the mask that hides them.
    for rows in chunks(N, batch * heads * keys * (2 * precise.itemsize + 1), budget_of(q.device)):
        seen = keys - N + rows.stop if causal else keys
        products = q[:, :, rows] @ k[:, :, :seen].mT / math.sqrt(D)
        hidden = unseen(last[:, rows], seen)
        if selection is not None:
            hidden = hidden | ~share_heads(selection.mask(rows, seen), heads)
        weights = products.masked_fill(hidden, -math.inf).softmax(-1)
        parts.append(weights.masked_fill(hidden.all(-1, keepdim=True), 0) @ v[:, :, :seen])
    return torch.cat(parts, dim=2)


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
