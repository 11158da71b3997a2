"""One new token for each of `BATCH` sequences: a query over a cache of N keys and values.

Reading the cache is all the work, so that a method saves what it does not read. What it selects by, the
summaries of blocks (`pages.summarise`), lies beside the cache; a new token changes the last block's alone,
which costs next to nothing and is not timed. The formulae hold for `BATCH` sequences of `HEADS` heads of
queries over `Hkv` heads of keys, which is an axis of the points.

Every model is called as ``f(q, k, v, pages)`` with q (B, H, 1, D) and k, v (B, Hkv, N, D).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from reference_models.attention import block_topk, fused, nsa, quest, sdpa, window
from reference_models.attention import dense as formula
from reference_models.attention import flex as compiled
from reference_models.attention.inputs import HEADS, qkv
from reference_models.attention.pages import Pages, summarise
from reference_models.attention.precision import itemsize
from reference_models.attention.ranking import SIXTEEN, Budget
from reference_models.attention.selection import Selection, attend, row_bytes

BATCH = 16
"""Sequences that get a new token at once."""

PAGE = 64
"""Keys of a block, in the cache a page."""


def inputs(N: int, D: int, Hkv: int, dtype: str, device: str, seed: int) -> dict[str, object]:
    """A cache with the structure of `inputs.qkv`, its pages, and the query of the next token.

    The query heads of a group are the queries of the last positions, which are about the same topic. The
    sequences hold the same heads in another order each, in memory of their own.
    """
    made = qkv(N, D, dtype, device, seed, heads=Hkv)
    group = HEADS // Hkv
    q = made["q"][:, :, -group:]
    q, k, v = (
        torch.cat([x.roll(number, dims=1) for number in range(BATCH)]) for x in (q, made["k"], made["v"])
    )
    return {"q": q.reshape(BATCH, HEADS, 1, D), "k": k, "v": v, "pages": summarise(k, PAGE)}


def oracle(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pages: Pages) -> torch.Tensor:
    """Dense attention in float64, a sequence at a time, since the cache in float64 would not fit."""
    del pages
    return torch.cat([formula.oracle(q, k, v, False) for q, k, v in _one_by_one(q, k, v)])


def _one_by_one(*tensors: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
    return [tuple(x[number : number + 1] for x in tensors) for number in range(len(tensors[0]))]


@dataclass(frozen=True)
class Dense:
    """Attention over the whole cache by a dense model."""

    model: Callable[..., torch.Tensor]

    def attention(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pages: Pages) -> torch.Tensor:
        """The model's answer; the pages are of no use to it."""
        del pages
        return self.model(q, k, v, False)


@dataclass(frozen=True)
class Sparse:
    """Attention over the pages that a selector chooses by `summaries` numbers for each channel of a page; the
    heads that share keys share the choice, too, where it is `shared`."""

    selector: Callable[..., Selection]
    summaries: int
    shared: bool = False
    budget: Budget = SIXTEEN

    def select(self, q: torch.Tensor, k: torch.Tensor, pages: Pages) -> Selection:
        """The pages of each head, or of each group of heads."""
        given = {"pages": pages} if self.summaries else {}
        return self.selector(q, k, True, block=PAGE, rows=1, budget=self.budget, **given)

    def attention(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pages: Pages) -> torch.Tensor:
        """Selecting and attending, in Triton's kernels where they rank as this method does."""
        if self.selector is block_topk.select and fused.ranks(q, k, PAGE, PAGE, self.budget):
            return fused.decode(q, k, v, pages.mean, PAGE, self.budget)
        return attend(q, k, v, True, self.select(q, k, pages))

    def reference(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pages: Pages) -> torch.Tensor:
        """What `attention` means to compute: exact attention over the pages that it selects."""
        chosen = self.select(q, k, pages)
        parts = _one_by_one(q, k, v, chosen.indices, chosen.valid)
        return torch.cat(
            [
                formula.oracle(q, k, v, True, Selection(indices, valid, PAGE, 1))
                for q, k, v, indices, valid in parts
            ]
        )

    def work(self, N: int, D: int, Hkv: int, dtype: str, **_: object) -> tuple[float, float, str]:
        """Floating-point operations, bytes and precision: scores of pages, and two products over the
        selected ones, which each head of keys is read for as often as its group chooses apart."""
        number = math.ceil(N / PAGE)
        keys = self.budget.of(number) * PAGE
        flops = BATCH * HEADS * D * (2 * number * self.summaries + 4 * keys)
        size = itemsize(dtype)
        summaries = BATCH * Hkv * number * D * self.summaries * (4 if self.summaries == 1 else size)
        moved = 2 * BATCH * (Hkv if self.shared else HEADS) * keys * D * size
        return flops, summaries + moved + 2 * BATCH * HEADS * D * size, dtype

    def memory(self, N: int, D: int, Hkv: int, dtype: str, **_: object) -> int:
        """Bytes that a call needs, inputs included: cache and pages, and the gathered pages."""
        m = self.budget.of(math.ceil(N / PAGE))
        gathered = BATCH * HEADS * row_bytes(D, m, PAGE, 1, itemsize(dtype))
        scores = BATCH * HEADS * math.ceil(N / PAGE) * (D * 4 + 24)
        return cache_bytes(N, D, Hkv, dtype) + gathered + scores


def work(N: int, D: int, Hkv: int, dtype: str, **_: object) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision of dense attention: the cache is read once."""
    moved = 2 * BATCH * (Hkv * N + HEADS) * D * itemsize(dtype)
    return 4 * BATCH * HEADS * N * D, moved, dtype


def cache_bytes(N: int, D: int, Hkv: int, dtype: str, **_: object) -> int:
    """Bytes of keys, values and pages, which is nearly all that a fused kernel needs to hold."""
    size = itemsize(dtype)
    return BATCH * Hkv * D * (2 * N * size + math.ceil(N / PAGE) * (4 + 2 * size))


def memory_dense(N: int, D: int, Hkv: int, dtype: str, **_: object) -> int:
    """Bytes that `dense_eager` needs: the cache once more for the heads that share it, and the scores."""
    repeated = 0 if Hkv == HEADS else 2 * BATCH * HEADS * N * D * itemsize(dtype)
    return cache_bytes(N, D, Hkv, dtype) + repeated + BATCH * HEADS * N * 16


dense_eager = Dense(formula.attention)
sdpa_default, sdpa_math = Dense(sdpa.attention), Dense(sdpa.math)
sdpa_flash, sdpa_efficient, sdpa_cudnn = Dense(sdpa.flash), Dense(sdpa.efficient), Dense(sdpa.cudnn)
flex = Dense(compiled.attention)
by_mean = Sparse(block_topk.select, summaries=1)
by_group = Sparse(nsa.select, summaries=1, shared=True, budget=nsa.BUDGET)
by_bound = Sparse(quest.select, summaries=2)
by_position = Sparse(window.select, summaries=0, shared=True)
