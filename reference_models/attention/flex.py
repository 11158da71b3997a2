"""FlexAttention: attention with a mask written in Python, compiled into one fused kernel.

Dong et al., "Flex Attention: A Programming Model for Generating Optimized Attention Kernels", MLSys
2025; `torch.nn.attention.flex_attention`. The causal mask's blocks are found once a shape and device and
kept, so that a call does not pay for them, unless sequences have lengths of their own; finding them holds
an N x N matrix of booleans for a moment.
Each shape is compiled by itself in the first call, which takes seconds, and inductor keeps the result on
disk for later processes. Work is that of `dense.work`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch._inductor.exc import GPUTooOldForTriton, InvalidCxxCompiler, TritonMissing
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from reference_models.attention.dense import tensors
from reference_models.attention.seen import check_shapes, last_seen

SHAPES = 64
"""Shapes that one process may compile. PyTorch's own limit of 8 is too few for a suite."""


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """Dense attention by FlexAttention.

    Raises:
        NotImplementedError: there is no C++ compiler (CPU) or no Triton (GPU) to compile it with, or the
            device has no such kernel.
    """
    check_shapes(q, k, lengths)
    queries, keys = q.shape[2], k.shape[2]
    blocks = _causal_blocks(queries, keys, str(q.device)) if causal else None
    if lengths is not None:
        last = last_seen(q, k, causal, lengths)
        blocks = create_block_mask(until(last), len(q), None, queries, keys, device=q.device)
    return fused(q, k, v, block_mask=blocks)


def fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> torch.Tensor:
    """Compiles `flex_attention` for these shapes, once, and calls it.

    Raises:
        NotImplementedError: it cannot be compiled here.
    """
    try:
        return _compiled()(q, k, v, enable_gqa=q.shape[1] != k.shape[1], **options)
    except RuntimeError as error:
        reason = _unsupported(error)
        if reason is None:
            raise
        raise NotImplementedError(f"FlexAttention cannot be compiled here: {reason}") from error


Mask = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@cache
def causal_from(start: int) -> Mask:
    """The causal mask of queries of which the first is at position `start`."""
    return lambda _batch, _head, query, key: query + start >= key


def until(last: torch.Tensor) -> Mask:
    """Hides the keys after the last one that each query sees, `last` (B, Nq)."""
    return lambda batch, _head, query, key: last[batch, query] >= key


def memory(N: int, D: int, causal: bool, dtype: str, **_: object) -> int:
    """Bytes that a call needs, inputs and result included, and the first one its mask."""
    return tensors(N, D, dtype) + (N**2 if causal else 0)


@cache
def _compiled() -> Callable[..., torch.Tensor]:
    torch._dynamo.config.recompile_limit = max(SHAPES, torch._dynamo.config.recompile_limit)
    # With the whole graph required, a failure to compile is an error and never a silent eager run.
    return torch.compile(flex_attention, dynamic=False, fullgraph=True)


@cache
def _causal_blocks(queries: int, keys: int, device: str) -> BlockMask:
    return create_block_mask(causal_from(keys - queries), None, None, queries, keys, device=device)


def _unsupported(error: BaseException | None) -> str | None:
    """The first line of the cause that means "not on this machine", None when there is none."""
    while error is not None:
        if isinstance(error, (NotImplementedError, InvalidCxxCompiler, TritonMissing, GPUTooOldForTriton)):
            return str(error).splitlines()[0]
        error = error.__cause__ or error.__context__
    return None
