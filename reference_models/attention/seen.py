"""Which keys a query may see at all, whatever a method selects of them.

Queries are the last of a sequence: all of it when a prompt is read (prefill), one or a few when the keys
and values of what came before are kept in a cache (decode). Sequences of a batch may have different
lengths, each at the front of its row of the tensor, as in `flash_attn_with_kvcache` of FlashAttention. Of
a sequence of L keys the first query is at position max(L - Nq, 0), so that those of a prompt that is
filled up at its end begin at zero; queries behind the end see the keys that there are.

One number a query says all of it: the position of the last key that it may see.
"""

from __future__ import annotations

import torch


def last_seen(
    q: torch.Tensor, k: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """The position of the last key that each query may see: integers (B, Nq), -1 where there is none.

    Args:
        q: of shape (B, H, Nq, D).
        k: of shape (B, Hkv, Nk, D), with Hkv a divisor of H, and Nq at most Nk.
        causal: whether a query sees no later key.
        lengths: how many of the Nk keys of each sequence there are, integers (B,); all by default.

    Raises:
        ValueError: see `check_shapes`.
    """
    check_shapes(q, k, lengths)
    batch, queries, keys = q.shape[0], q.shape[2], k.shape[2]
    ends = torch.full((batch,), keys, device=q.device) if lengths is None else lengths.to(q.device)
    ends = ends.long()[:, None]
    if not causal:
        return (ends - 1).expand(batch, queries)
    position = (ends - queries).clamp_(min=0) + torch.arange(queries, device=q.device)
    return torch.minimum(position, ends - 1)


def check_shapes(q: torch.Tensor, k: torch.Tensor, lengths: torch.Tensor | None = None) -> None:
    """Whether these queries can be asked of these keys.

    Raises:
        ValueError: the shapes do not fit each other, or a length on the CPU is not within 0 and Nk. (On
            another device, looking would stop the host, and it is the caller's to see to it.)
    """
    (batch, heads, queries, D), keys = q.shape, k.shape[2]
    if k.shape[0] != batch or k.shape[3] != D:
        raise ValueError(f"queries {tuple(q.shape)} and keys {tuple(k.shape)} differ in B or D")
    if heads % k.shape[1]:
        raise ValueError(f"{k.shape[1]} heads of keys cannot be shared out among {heads} heads of queries")
    if queries > keys:
        raise ValueError(f"{queries} queries and {keys} keys: the queries must be the last of the keys")
    if lengths is None:
        return
    if lengths.shape != (batch,) or lengths.is_floating_point():
        raise ValueError(f"lengths must be {batch} integers, one a sequence")
    if lengths.device.type == "cpu" and not bool(((lengths >= 0) & (lengths <= keys)).all()):
        raise ValueError(f"lengths must be from 0 to the {keys} keys there are, not {lengths.tolist()}")


def unseen(last: torch.Tensor, keys: int) -> torch.Tensor:
    """Which of the first `keys` keys come after the last one that is seen: booleans (B, 1, queries, keys)
    from `last` (B, queries)."""
    return torch.arange(keys, device=last.device) > last[:, None, :, None]


def share_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Repeats each head of (B, Hs, ...) for the heads that share it: (B, heads, ...)."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], dim=1)
