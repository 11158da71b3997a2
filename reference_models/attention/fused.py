"""Selected blocks by Triton's kernels: the fast way of what `selection.attend` and `block_topk` compute.

It takes CUDA and ROCm devices, whose kernels Triton compiles from the same source (or any device while
Triton interprets, as in tests). Results are those of the plain way up to rounding; which block wins of two
that score alike may differ, because averages are kept in the inputs' precision here.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch

from reference_models.attention.ranking import Budget
from reference_models.attention.selection import Selection, check

SMALLEST, WIDEST = 16, 256
"""Sizes of heads that the kernels take, powers of two between them."""

MOST_BLOCKS = 2048
"""Blocks of keys whose scores one warp can hold at once."""


class Sampling(NamedTuple):
    """Blocks are chosen by what one query of each `every` attends to, until they hold `gamma` of it."""

    every: int
    gamma: float


def unusable(q: torch.Tensor, block: int, rows: int) -> str | None:
    """Why the kernels cannot do this, None when they can. Asks the device for nothing."""
    # Nothing of Triton is imported where it has no kernels: that takes a second, and is not needed.
    if q.device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"there are no kernels for {q.device.type}"
    if find_spec("triton") is None:
        return "Triton is not installed"
    for name, size, most in (("D", q.shape[-1], WIDEST), ("block", block, 128), ("rows", rows, 128)):
        if size & (size - 1) or not SMALLEST <= size <= most:
            return f"{name}={size} is no power of two from {SMALLEST} to {most}"
    if q.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return f"there are no kernels for {q.dtype}"
    return None


def ranks(
    q: torch.Tensor,
    k: torch.Tensor,
    block: int,
    rows: int,
    budget: Budget,
    sampling: Sampling | None = None,
) -> bool:
    """Whether the kernels can choose blocks under a budget, by averages or by sampled queries."""
    from_both_ends = (budget.sinks, budget.local) == (1, 1)
    if sampling is not None and rows % sampling.every:
        return False
    return from_both_ends and unusable(q, block, rows) is None and -(-k.shape[2] // block) <= MOST_BLOCKS


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    budget: Budget,
    lengths: torch.Tensor | None = None,
    sampling: Sampling | None = None,
) -> torch.Tensor:
    """`block_topk.attention` in four launches, or `sampled.attention` in three when it is told how to sample.
    Arguments as there; `ranks` says whether it can be done."""
    lengths = _int32(q, lengths)
    chosen = _chosen(q, k, causal, block, rows, budget, lengths, sampling)
    return _attended(q, k, v, *chosen, causal, block, rows, lengths)


def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    budget: Budget,
    lengths: torch.Tensor | None = None,
    sampling: Sampling | None = None,
) -> Selection:
    """The selection that `attention` attends to."""
    indices, counts = _chosen(q, k, causal, block, rows, budget, _int32(q, lengths), sampling)
    valid = torch.arange(indices.shape[-1], device=q.device) < counts[..., None]
    return Selection(indices.long().masked_fill(~valid, 0), valid, block, rows)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    selection: Selection,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """`selection.attend` for any selection of blocks, whoever made it.

    Raises:
        ValueError: the shapes do not fit each other.
        NotImplementedError: the kernels cannot do it; the message says why.
    """
    check(q, k, v, selection)
    if reason := unusable(q, selection.block, selection.rows):
        raise NotImplementedError(f"no fused attention over selected blocks: {reason}")
    # The kernels want the blocks that count first and in order.
    behind = torch.iinfo(torch.int32).max
    indices = selection.indices.int().masked_fill(~selection.valid, behind).sort(-1).values
    counts = selection.valid.sum(-1, dtype=torch.int32)
    sizes = selection.block, selection.rows
    return _attended(q, k, v, indices, counts, causal, *sizes, _int32(q, lengths))


def decode(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    means: torch.Tensor,
    page: int,
    budget: Budget,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """One new query a sequence over the pages of its cache that a budget gives it, in two launches.

    Args:
        q: of shape (B, H, 1, D); k, v of shape (B, Hkv, N, D).
        means: averages of the pages of keys, of shape (B, Hkv, ⌈N/page⌉, D).
        page: tokens of a page, a power of two.
        lengths: tokens in each cache, (B,); all N by default.
    """
    from reference_models.attention import triton_decode

    wanted = budget.of(means.shape[2])
    return triton_decode.decode(q, k, v, means, page, wanted, _int32(q, lengths))


def _int32(q: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor | None:
    return None if lengths is None else lengths.to(q.device, torch.int32)


def _chosen(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    rows: int,
    budget: Budget,
    lengths: Any,
    sampling: Sampling | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    from reference_models.attention import triton_sample, triton_select

    q, k = q.detach().contiguous(), k.detach().contiguous()
    asked = q, k, causal, block, rows, budget.keep, budget.least
    if sampling is None:
        return triton_select.select(*asked, lengths)
    return triton_sample.select(*asked, *sampling, lengths)


def _attended(*given: Any) -> torch.Tensor:
    out: torch.Tensor = _Attend.apply(*given)  # type: ignore[no-untyped-call]
    return out


class _Attend(torch.autograd.Function):
    """The kernels to autograd; a selection has no gradient."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, indices: Any, counts: Any, *rest: Any) -> torch.Tensor:
        from reference_models.attention import triton_attend

        causal, block, rows, lengths = rest
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        out, log_sums = triton_attend.forward(q, k, v, causal, indices, counts, block, rows, lengths)
        ctx.save_for_backward(q, k, v, out, log_sums, indices, counts)
        ctx.rest = rest
        return out

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> Any:
        from reference_models.attention import triton_backward

        q, k, v, out, log_sums, indices, counts = ctx.saved_tensors
        causal, block, rows, lengths = ctx.rest
        gradients = triton_backward.backward(
            q, k, v, out, log_sums, given[0], causal, indices, counts, block, rows, lengths
        )
        return (*gradients, *(None,) * 6)
