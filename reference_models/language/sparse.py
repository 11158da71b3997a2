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
from reference_models.attention.seen import share_heads
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
        k, v = (share_heads(x, heads) for x in (k, v))
        rest = _Rest(k, v, self._rest) if self._rest else None
        parts = []
        step = max(1, AT_ONCE // (heads * keys))
        for start in range(0, queries, step):
            rows = slice(start, min(queries, start + step))
            last = torch.arange(rows.start, rows.stop, device=q.device) + keys - queries
            last = (last if causal else torch.full_like(last, keys - 1))[:, None]
            seen = int(last[-1]) + 1
            mask = (torch.arange(seen, device=q.device) <= last).expand(q.shape[0], heads, -1, -1)
            pairs = int(last.sum()) + len(last)
            if selection is not None:
                mask = mask & share_heads(selection.mask(rows, seen), heads)
                if not bool(mask.any(-1).all()):
                    raise ValueError("a query is left without a key: its own block must be kept")
            shown, values, bias = k[:, :, :seen], v[:, :, :seen], mask
            if rest is not None:
                shown, values, mask, bias = rest.beside(shown, values, mask, last)
            self._pairs.append((mask.sum(), q.shape[0] * heads * pairs))
            parts.append(scaled_dot_product_attention(q[:, :, rows], shown, values, attn_mask=bias))
        return torch.cat(parts, 2)


class _Rest:
    """What is left out, by the averages of every `size` keys and values."""

    def __init__(self, k: Tensor, v: Tensor, size: int) -> None:
        self._size = size
        self._averages = [means(x, size).to(x.dtype) for x in (k, v)]
        self._counts = (k.shape[2] - torch.arange(0, k.shape[2], size, device=k.device)).clamp(max=size)

    def beside(self, k: Tensor, v: Tensor, mask: Tensor, last: Tensor) -> tuple[Tensor, ...]:
        """Keys, values and mask (B, H, queries, keys) with averages behind them, and what is added to scores.

        Args:
            last: the last key that each query sees, (queries, 1).
        """
        starts = torch.arange(0, k.shape[2], self._size, device=k.device)
        counts = self._counts[: len(starts)]
        # A part is read by its average when it is wholly past and its first key was not chosen.
        mask = torch.cat([mask, ~mask[..., :: self._size] & (starts + counts <= last + 1)], -1)
        keys, values = (
            torch.cat([x, mean[:, :, : len(starts)]], 2)
            for x, mean in zip((k, v), self._averages, strict=True)
        )
        # It stands for as many keys as it was taken over.
        weight = torch.cat([torch.ones(k.shape[2], device=k.device), counts]).log()
        return keys, values, mask, torch.where(mask, weight.to(k.dtype), -math.inf)
