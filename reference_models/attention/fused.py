"""Selected blocks by Triton's kernels: the fast way of what `selection.attend` and `block_topk` compute.

It takes CUDA and ROCm devices, whose kernels Triton compiles from the same source (or any device while
Triton interprets, as in tests). Results are those of the plain way up to rounding; which block wins of two
that score alike may differ, because averages are kept in the inputs' precision here.
"""

from __future__ import annotations

from typing import Any

import torch

from reference_models.attention.selection import Selection

SMALLEST, WIDEST = 16, 256
"""Sizes of heads that the kernels take, powers of two between them."""


def unusable(q: torch.Tensor, block: int, rows: int) -> str | None:
    """Why the kernels cannot do this, None when they can. Asks the device for nothing."""
    try:
        from triton import knobs
    except ImportError:
        return "Triton is not installed"
    if q.device.type != "cuda" and not knobs.runtime.interpret:
        return f"there are no kernels for {q.device.type}"
    for name, size, most in (("D", q.shape[-1], WIDEST), ("block", block, 128), ("rows", rows, 128)):
        if size & (size - 1) or not SMALLEST <= size <= most:
            return f"{name}={size} is no power of two from {SMALLEST} to {most}"
    if q.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return f"there are no kernels for {q.dtype}"
    return None


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    block: int,
    keep: float,
    least: int,
    lengths: torch.Tensor | None = None,
    rows: int | None = None,
) -> torch.Tensor:
    """Block top-k as `block_topk.attention`, in four launches; `rows` queries share a choice, by default as
    many as a block has tokens."""
    from reference_models.attention import triton_select

    rows = rows or block
    lengths = None if lengths is None else lengths.to(q.device, torch.int32)
    indices, counts = triton_select.select(
        q.detach().contiguous(), k.detach().contiguous(), causal, block, rows, keep, least, lengths
    )
    return _Attend.apply(q, k, v, indices, counts, causal, block, rows, lengths)  # type: ignore[no-any-return, no-untyped-call]


def select(
    q: torch.Tensor,
    k: torch.Tensor,
    causal: bool,
    block: int,
    keep: float,
    least: int,
    lengths: torch.Tensor | None = None,
    rows: int | None = None,
) -> Selection:
    """The selection that `attention` attends to."""
    from reference_models.attention import triton_select

    rows = rows or block
    lengths = None if lengths is None else lengths.to(q.device, torch.int32)
    indices, counts = triton_select.select(
        q.detach().contiguous(), k.detach().contiguous(), causal, block, rows, keep, least, lengths
    )
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
        ValueError: the kernels cannot do it; the message says why.
    """
    if reason := unusable(q, selection.block, selection.rows):
        raise ValueError(f"no fused attention over selected blocks: {reason}")
    lengths = None if lengths is None else lengths.to(q.device, torch.int32)
    # The kernels want the blocks that count first and in order.
    behind = torch.iinfo(torch.int32).max
    indices = selection.indices.int().masked_fill(~selection.valid, behind).sort(-1).values
    counts = selection.valid.sum(-1, dtype=torch.int32)
    return _Attend.apply(q, k, v, indices, counts, causal, selection.block, selection.rows, lengths)  # type: ignore[no-any-return, no-untyped-call]


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
