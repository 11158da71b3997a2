"""How much of dense attention a selection keeps, layer by layer, without a model around it.

Three views, since each of them alone misleads. The mass is what the selected keys hold of the softmax: high
where attention is flat or sits on the sink, whatever is selected. The recall is the share of the few keys
with the largest weights that are among the selected: blind to all others. The error is what reaches the
next layer, and depends on the values.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from reference_models.attention import dense
from reference_models.attention.chunks import budget_of, chunks
from reference_models.attention.seen import check_shapes, last_seen, share_heads, unseen
from reference_models.attention.selection import Selection, check

BEST = 32
"""Keys of a query that recall asks for: the article's k."""


class Quality(NamedTuple):
    """Each of shape (B, H, Nq), in float32.

    `mass` and `recall` are from 0 to 1, 1 is as dense attention; `error` is ‖out − dense‖ / ‖dense‖ over D,
    0 is as dense attention; `keys` is the share of the keys that a query could see which it sees. A query
    that can see no key has NaN throughout, and is to be left out of an average (`nanmean`).
    """

    mass: torch.Tensor
    recall: torch.Tensor
    error: torch.Tensor
    keys: torch.Tensor


@torch.no_grad()
def quality(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    selection: Selection,
    best: int = BEST,
    lengths: torch.Tensor | None = None,
) -> Quality:
    """Holds attention over the selected keys against attention over all keys, both in float32.

    Args:
        q, k, v, causal, selection, lengths: as `selection.attend` takes them.
        best: how many keys with the largest weights recall asks for, all where a query sees fewer.

    Raises:
        ValueError: the shapes do not fit each other, or no key is asked for.
    """
    if best < 1:
        raise ValueError(f"best={best}: recall needs at least one key")
    check_shapes(q, k, lengths)
    check(q, k, v, selection)
    heads, N, keys = q.shape[1], q.shape[2], k.shape[2]
    last = last_seen(q, k, causal, lengths)
    q, k, v = q.float(), share_heads(k.float(), heads), share_heads(v.float(), heads)
    parts = []
    # Of a pair there are at once scores, two kinds of weights, an order, and masks.
    for rows in chunks(N, q.shape[0] * heads * keys * 24, budget_of(q.device)):
        seen = keys - N + rows.stop if causal else keys
        visible = ~unseen(last[:, rows], seen)
        chosen = share_heads(selection.mask(rows, seen), heads) & visible
        weights = dense.scores(q[:, :, rows], k[:, :, :seen], last[:, rows]).softmax(-1)
        kept = weights.where(chosen, 0)
        mass = kept.sum(-1).masked_fill(~visible.any(-1), math.nan)
        top = weights.topk(min(best, seen), dim=-1).indices
        asked = visible.expand_as(chosen).gather(-1, top)
        recall = (chosen.gather(-1, top) & asked).sum(-1) / asked.sum(-1)
        whole = weights @ v[:, :, :seen]
        # Renormalised, the kept weights are the softmax over the selected keys; of none, attention is zero.
        out = (kept / mass.clamp(min=torch.finfo(mass.dtype).tiny)[..., None]) @ v[:, :, :seen]
        error = (out - whole).norm(dim=-1) / whole.norm(dim=-1)
        parts.append((mass, recall, error, chosen.sum(-1) / visible.sum(-1)))
    return Quality(*(torch.cat(views, dim=2) for views in zip(*parts, strict=True)))
