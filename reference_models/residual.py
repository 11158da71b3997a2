"""A stack of residual blocks as plain functions of its weights, to see what a step of training holds.

Gradients are returned and nothing is changed, so that every step is the same. Checkpointing keeps the
inputs of the blocks and computes what lies between anew on the way back: Chen, Xu, Zhang, Guestrin,
"Training Deep Nets with Sublinear Memory Cost" (2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

WIDENED = 4
"""Width of a block's inside over that of its outside."""


def inputs(width: int, depth: int, batch: int, device: str, seed: int) -> dict[str, Any]:
    """`depth` pairs of weights of shapes (width, 4 width) and (4 width, width), that require a gradient,
    and `x` of shape (batch, width)."""
    draw = torch.Generator().manual_seed(seed)

    def weight(rows: int, columns: int) -> torch.Tensor:
        drawn = (torch.randn(rows, columns, generator=draw) / math.sqrt(rows)).to(device)
        drawn.requires_grad_()
        return drawn

    inside = WIDENED * width
    weights = [weight(*shape) for _ in range(depth) for shape in ((width, inside), (inside, width))]
    return {"weights": weights, "x": torch.randn(batch, width, generator=draw).to(device)}


def block(x: torch.Tensor, into: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """x + gelu(x · into) · out."""
    inside: torch.Tensor = torch.nn.functional.gelu(x @ into)
    return x + inside @ out


def forward(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The last block's answer, of the shape of `x`."""
    for into, out in zip(weights[::2], weights[1::2], strict=True):
        x = block(x, into, out)
    return x


def training_step(weights: Sequence[torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The gradients of the mean square of the answer, in the order of the weights."""
    return torch.autograd.grad(forward(weights, x).square().mean(), weights)


def checkpointed(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The last block's answer, of whose graph only the blocks' inputs are kept."""
    for into, out in zip(weights[::2], weights[1::2], strict=True):
        x = checkpoint(block, x, into, out, use_reentrant=False)
    return x


def checkpointed_step(weights: Sequence[torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The same gradients, every block computed twice."""
    return torch.autograd.grad(checkpointed(weights, x).square().mean(), weights)


def training_oracle(weights: Sequence[torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The gradients in double precision."""
    return training_step([weight.detach().double().requires_grad_() for weight in weights], x.double())


def with_graph(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """An answer as one forgets to ask for it: everything is kept for a backward pass that never comes."""
    return forward(weights, x)


def no_grad(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """An answer without gradients."""
    with torch.no_grad():
        return forward(weights, x)


def inference_mode(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """An answer without gradients and without what views and versions of tensors need."""
    with torch.inference_mode():
        return forward(weights, x)


def inference_oracle(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The answer in double precision."""
    with torch.no_grad():
        return forward([weight.double() for weight in weights], x.double())


def inference_work(width: int, depth: int, batch: int) -> tuple[float, float, str]:
    """Floating-point operations of the products, bytes of the weights read and of the blocks' inputs read
    and answers written, and the precision."""
    size = 2 * WIDENED * width**2
    return 2.0 * batch * depth * size, 4.0 * depth * (size + 2 * batch * width), "float32"


def training_work(width: int, depth: int, batch: int) -> tuple[float, float, str]:
    """Three times the operations of a forward pass; the weights are read twice and their gradients
    written, the blocks' inputs are kept, read again and have gradients."""
    flops, _, precision = inference_work(width, depth, batch)
    size = 2 * WIDENED * width**2
    return 3 * flops, 4.0 * depth * (3 * size + 5 * batch * width), precision
