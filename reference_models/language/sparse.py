"""Exact attention over the keys that a selector chooses, and the share of keys that these are.

It says what a selection costs a model, not how fast it can be: scores are masked, nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

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

    def __init__(self, select: Select | None, **options: Any) -> None:
        """
        Args:
            options: given to the selector at each call.
        """
        self._select, self._options = select, options
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
        parts = []
        step = max(1, AT_ONCE // (heads * keys))
        for start in range(0, queries, step):
            rows = slice(start, min(queries, start + step))
            own = torch.arange(rows.start, rows.stop, device=q.device) + keys - queries
            seen = int(own[-1]) + 1 if causal else keys
            visible = positions[:seen] <= (own[:, None] if causal else keys)
            mask = visible.expand(q.shape[0], heads, -1, -1)
            if selection is not None:
                mask = selection.mask(rows, seen) & visible
                mask = mask.repeat_interleave(heads // mask.shape[1], 1)
                if not bool(mask.any(-1).all()):
                    raise ValueError("a query is left without a key: its own block must be kept")
            pairs = seen * len(own) - (len(own) * (len(own) - 1) // 2 if causal else 0)
            self._pairs.append((mask.sum(), q.shape[0] * heads * pairs))
            parts.append(
                scaled_dot_product_attention(q[:, :, rows], k[:, :, :seen], v[:, :, :seen], attn_mask=mask)
            )
        return torch.cat(parts, 2)
