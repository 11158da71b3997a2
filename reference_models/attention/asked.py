"""What selectors that rank blocks by a summary of their keys are asked: the same arguments, written once.

Such a selector is a function from an `Asked` to a `Selection`; `ranks_blocks` makes it callable with tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from reference_models.attention.pages import Pages
from reference_models.attention.ranking import Budget, best_blocks, means, reach
from reference_models.attention.seen import check_shapes, share_heads
from reference_models.attention.selection import Selection


@dataclass(frozen=True)
class Asked:
    """Which blocks of keys each row of queries should read.

    Args:
        q, k: of shape (B, H, Nq, D) and (B, Hkv, Nk, D).
        causal: whether blocks that lie wholly in the future are left out.
        block: tokens of a block of keys.
        rows: queries that share a choice.
        budget: how many blocks are kept.
        lengths: how many keys each sequence has, (B,); all Nk by default.
        pages: the summaries of k's blocks, made here when they are not given.

    Raises:
        ValueError: the shapes do not fit each other.
    """

    q: torch.Tensor
    k: torch.Tensor
    causal: bool
    block: int
    rows: int
    budget: Budget
    lengths: torch.Tensor | None = None
    pages: Pages | None = None

    def __post_init__(self) -> None:
        check_shapes(self.q, self.k, self.lengths)

    def averaged(self, queries: torch.Tensor) -> torch.Tensor:
        """Averages over rows of q, or of what was made of it, in float32: (B, H, ⌈Nq/rows⌉, D)."""
        count = None if self.lengths is None else self.lengths.clamp(max=self.q.shape[2])
        return means(queries, self.rows, count)

    def products(self) -> torch.Tensor:
        """Products of averaged queries and averaged keys: (B, H, ⌈Nq/rows⌉, ⌈Nk/block⌉)."""
        keys = means(self.k, self.block, self.lengths) if self.pages is None else self.pages.mean
        return self.averaged(self.q) @ share_heads(keys, self.q.shape[1]).mT

    def reach(self) -> tuple[torch.Tensor, torch.Tensor]:
        """How many blocks each row can see, and which it keeps for sure: see `ranking.reach`."""
        return reach(self.q, self.k, self.causal, self.block, self.rows, self.budget, self.lengths)

    def best(self, scores: torch.Tensor) -> Selection:
        """The blocks with the highest scores, which are overwritten: see `ranking.best_blocks`."""
        sizes = self.block, self.rows, self.budget
        return best_blocks(scores, self.q, self.k, self.causal, *sizes, self.lengths)


def ranks_blocks(
    block: int, rows: int, budget: Budget
) -> Callable[[Callable[..., Selection]], Callable[..., Selection]]:
    """Makes of a function of an `Asked`, and of options of its own, a selector that is called as
    ``select(q, k, causal, block, rows, budget, lengths, pages, **options)``. The arguments are defaults."""

    def decorated(chosen: Callable[..., Selection]) -> Callable[..., Selection]:
        @torch.no_grad()
        def select(
            q: torch.Tensor,
            k: torch.Tensor,
            causal: bool,
            block: int = block,
            rows: int = rows,
            budget: Budget = budget,
            lengths: torch.Tensor | None = None,
            pages: Pages | None = None,
            **options: Any,
        ) -> Selection:
            return chosen(Asked(q, k, causal, block, rows, budget, lengths, pages), **options)

        select.__module__, select.__doc__ = chosen.__module__, chosen.__doc__
        return select

    return decorated
