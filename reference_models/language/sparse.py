"""Exact attention over the keys that a selector chooses, and the share of keys that these are.

It says what a selection costs a model, not how fast it can be: scores are masked, nothing is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from reference_models.attention.ranking import means
from reference_models.attention.selection import Selection
from reference_models.attention.selectors import METHODS

Select = Callable[..., Selection]
"""``select(q, k, causal)``, shapes as in `decoder.Attention`."""


def budgeted(method: str, block: int | None = None, rows: int | None = None, **budget: Any) -> Select:
    """The selector of a sparse method by name, at another budget, so that methods can be compared at one.

    Args:
        block, rows: other sizes than the method's own.
        budget: what of the method's `ranking.Budget` is replaced.

    Raises:
        KeyError: there is no such method.
    """
    known = METHODS[method]
    return partial(
        known.selector,
        block=block or known.block,
        rows=rows or known.rows,
        budget=replace(known.budget, **budget),
    )


AT_ONCE = 2**28
"""Pairs of a query and a key whose mask is held at once."""


class Sparse:
    """An `Attention` over selected keys, which counts them; without a selector over all of them."""

    def __init__(self, select: Select | None, rest: int | None = None, **options: Any) -> None:
        """
        Args:
            rest: when given, keys that are left out are not forgotten: every `rest` of them, a divisor of the
                selector's block, are attended to as one, by the averages of their keys and values, which
                counts as one key kept.
            options: given to the selector at each call.
        """
        self._select, self._rest, self._options = select, rest, options
        self._pairs: list[tuple[Tensor, int]] = []

    @property
    def kept(self) -> float:
        """Of all pairs of a query and a key that it may see, the share that was kept, over all calls."""
        return sum(int(kept) for kept, _ in self._pairs) / sum(seen for _, seen in self._pairs)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        """See `decoder.Attention`.

        Raises:
            ValueError: the selector leaves a query without a key.
        """
        heads, queries, keys = q.shape[1], q.shape[2], k.shape[2]
        with torch.no_grad():  # a choice has no gradient
            selection = self._select(q, k, causal, **self._options) if self._select else None
        k, v = (x.repeat_interleave(heads // x.shape[1], 1) for x in (k, v))
        positions = torch.arange(keys, device=q.device)
        size = self._rest or keys
        sizes = (keys - positions[::size]).clamp(max=size)
        averages = [means(x, size).to(x.dtype) for x in (k, v)] if self._rest else []
        parts = []
        step = max(1, AT_ONCE // (heads * keys))
        for start in range(0, queries, step):
            rows = slice(start, min(queries, start + step))
            own = torch.arange(rows.start, rows.stop, device=q.device) + keys - queries
            seen = int(own[-1]) + 1 if causal else keys
            last = (own if causal else torch.full_like(own, keys - 1))[:, None]
            mask = (positions[:seen] <= last).expand(q.shape[0], heads, -1, -1)
            if selection is not None:
                mask = mask & selection.mask(rows, seen).repeat_interleave(
                    heads // selection.indices.shape[1], 1
                )
                if not bool(mask.any(-1).all()):
                    raise ValueError("a query is left without a key: its own block must be kept")
            shown, values = k[:, :, :seen], v[:, :, :seen]
            bias = mask
            pairs = seen * len(own) - (len(own) * (len(own) - 1) // 2 if causal else 0)
            if averages:
                # A part is read by its average when it is wholly past and its first key was not chosen.
                past = positions[:seen:size] + sizes[: -(-seen // size)] <= last + 1
                mask = torch.cat([mask, ~mask[..., ::size] & past], -1)
                shown, values = (
                    torch.cat([x, mean[:, :, : past.shape[1]]], 2)
                    for x, mean in zip((shown, values), averages, strict=True)
                )
                # It stands for as many keys as it was taken over.
                weight = torch.cat([torch.ones(seen, device=q.device), sizes[: past.shape[1]]]).log()
                bias = torch.where(mask, weight.to(q.dtype), -math.inf)
            self._pairs.append((mask.sum(), q.shape[0] * heads * pairs))
            parts.append(scaled_dot_product_attention(q[:, :, rows], shown, values, attn_mask=bias))
        return torch.cat(parts, 2)
