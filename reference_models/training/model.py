"""A small language model as a function of its parameters, and texts of unlike length for it.

Residual blocks of two linear layers with dropout between them stand for the blocks of any larger model; what
is tested here does not depend on what is inside of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout, gelu, linear

PADDING = -100
"""The target of a place that holds no token; it counts for nothing."""

Parameters = Mapping[str, Tensor]
Block = Callable[[Tensor, Tensor, Tensor, float], Tensor]
Wrap = Callable[[Block], Block]


def inputs(
    B: int, N: int, device: str, seed: int, width: int = 64, layers: int = 2, vocabulary: int = 256
) -> dict[str, Any]:
    """Parameters, and B texts of 1 to N tokens, padded: ``x`` (B, N, width) is what was read, ``targets``
    (B, N) the tokens to come."""
    draw = torch.Generator().manual_seed(seed)

    def normal(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=draw) / math.sqrt(columns)

    parameters = {"head": normal(vocabulary, width)}
    for layer in range(layers):
        parameters[f"up_{layer}"], parameters[f"down_{layer}"] = (
            normal(4 * width, width),
            normal(width, 4 * width),
        )
    x = torch.randn(B, N, width, generator=draw)
    targets = torch.randint(vocabulary, (B, N), generator=draw)
    lengths = torch.randint(1, N + 1, (B, 1), generator=draw)
    targets[torch.arange(N) >= lengths] = PADDING
    return {
        "parameters": {name: tensor.to(device) for name, tensor in parameters.items()},
        "x": x.to(device),
        "targets": targets.to(device),
    }


def block(x: Tensor, up: Tensor, down: Tensor, drop: float) -> Tensor:
    """One residual block, (…, width) to (…, width)."""
    return x + linear(dropout(gelu(linear(x, up)), drop), down)


def loss_sum(
    parameters: Parameters, x: Tensor, targets: Tensor, drop: float = 0.0, wrap: Wrap = lambda made: made
) -> Tensor:
    """The loss in nats summed over all tokens, without those that only pad.

    Args:
        drop: the share of hidden numbers that are dropped.
        wrap: makes of a block what is called in its place.
    """
    layers = sum(name.startswith("up_") for name in parameters)
    for layer in range(layers):
        x = wrap(block)(x, parameters[f"up_{layer}"], parameters[f"down_{layer}"], drop)
    scores = linear(x, parameters["head"])
    return cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=PADDING, reduction="sum")


def tokens(targets: Tensor) -> Tensor:
    """How many places hold a token."""
    return (targets != PADDING).sum()


def tracked(parameters: Parameters) -> dict[str, Tensor]:
    """The same parameters as leaves that gradients are taken for."""
    return {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}


def gradients(loss: Tensor, parameters: Parameters) -> dict[str, Tensor]:
    """The loss's gradients by the parameters' names."""
    found = torch.autograd.grad(loss, list(parameters.values()))
    return dict(zip(parameters, found, strict=True))
