"""A sparse method: a way to select, a way to attend to what was selected, and what both cost.

Its formulae take the axes of a point as keywords and hold for B = 1 and H = `HEADS`, with keys of as many
heads. They count what the method needs, not what plain PyTorch does for it: blocks that do not count are
not read, the selection's scores are not written to memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from reference_models.attention import dense
from reference_models.attention.chunks import chunk_bytes
from reference_models.attention.inputs import HEADS
from reference_models.attention.precision import itemsize
from reference_models.attention.ranking import Budget
from reference_models.attention.selection import Selection, attend, row_bytes


@dataclass(frozen=True)
class Method:
    """Selects by `selector` with these sizes and this budget, and attends by `kernel`.

    `scoring` gives the floating-point operations of selecting in N tokens, by (N, D, causal); `held` the
    bytes that selecting needs beside q, k and its result, by (N, D, dtype), when these are not the averages
    and the scores of blocks. Where it depends on the data how many blocks are kept, `budget` is the most, for
    which memory has to be there, and `surely` the fewest: work that may not be done is not counted.
    """

    selector: Callable[..., Selection]
    scoring: Callable[[int, int, bool], float]
    block: int
    rows: int
    budget: Budget
    kernel: Callable[..., torch.Tensor] = attend
    held: Callable[[int, int, str], int] | None = None
    surely: Budget | None = None

    def select(
        self, q: torch.Tensor, k: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
    ) -> Selection:
        """The selection alone."""
        return self.selector(
            q, k, causal, block=self.block, rows=self.rows, budget=self.budget, lengths=lengths
        )

    def attention(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        causal: bool,
        lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Selecting and attending: what a caller waits for."""
        return self.kernel(q, k, v, causal, self.select(q, k, causal, lengths), lengths)

    def reference(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        causal: bool,
        lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What `attention` means to compute: exact attention over the keys that it selects."""
        return dense.oracle(q, k, v, causal, self.select(q, k, causal, lengths), lengths)

    def pairs(self, N: int, causal: bool) -> int:
        """Pairs of a query and a key that are attended to for sure, in one head; whole blocks are counted."""
        budget = self.surely or self.budget
        blocks = math.ceil(N / self.block)
        ends = (min(N, start + self.rows) for start in range(0, N, self.rows))
        seen = (math.ceil(end / self.block) if causal else blocks for end in ends)
        return sum(budget.of(visible) for visible in seen) * self.rows * self.block

    def work_select(self, N: int, D: int, causal: bool, dtype: str, **_: object) -> tuple[float, float, str]:
        """Floating-point operations, bytes and precision of selecting: scores; q and k read once."""
        return self.scoring(N, D, causal), dense.tensors(N, D, dtype) / 2, dtype

    def work(self, N: int, D: int, causal: bool, dtype: str, **_: object) -> tuple[float, float, str]:
        """Floating-point operations, bytes and precision: scores to select by, and two products over the
        selected keys. Every key is read from the device's memory once at most, however many rows choose it:
        what rows share stays in the cache."""
        pairs = self.pairs(N, causal)
        flops = self.scoring(N, D, causal) + 4 * HEADS * D * pairs
        chosen = 2 * HEADS * pairs // self.rows * D * itemsize(dtype)
        whole = dense.tensors(N, D, dtype)
        return flops, whole / 2 + min(whole / 2, chosen), dtype

    def memory_select(self, N: int, D: int, dtype: str, **_: object) -> int:
        """Bytes that selecting needs, q, k and v included. By default: averages, three matrices of scores of
        each row of queries and block of keys in float32 (the scores, their ranking and its numbers)."""
        rows, blocks = math.ceil(N / self.rows), math.ceil(N / self.block)
        if self.held is None:
            scores = HEADS * ((rows + blocks) * D * 2 + 3 * rows * blocks) * 4
        else:
            scores = self.held(N, D, dtype)
        return dense.tensors(N, D, dtype) + scores + HEADS * rows * self.budget.of(blocks) * 9

    def memory(self, N: int, D: int, dtype: str, **_: object) -> int:
        """Bytes that a call needs, inputs and result included: those of selecting, q, k, v and the result
        once more when they are filled up to whole blocks, and a chunk of gathered blocks."""
        rows, blocks = math.ceil(N / self.rows), math.ceil(N / self.block)
        m = self.budget.of(blocks)
        chunk = chunk_bytes(HEADS * rows, row_bytes(D, m, self.block, self.rows, itemsize(dtype)))
        table = HEADS * rows * m * 8
        return self.memory_select(N, D, dtype) + dense.tensors(N + self.block, D, dtype) + table + chunk
