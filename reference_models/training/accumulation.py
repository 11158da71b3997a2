"""Gradient accumulation: a large batch's gradient from several small ones, which fit.

A batch's loss is the mean over its tokens. Its parts hold unlike numbers of tokens, so that the mean of
their means weighs a token of a short part more: the parts' *sums* have to be added, over the number of
tokens of all of them. That the mean of means went unnoticed for years in common trainers was written up in
October 2024 (Han and Han, "Bugs in LLM training: gradient accumulation fix", Unsloth).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from reference_models.training.model import Parameters, gradients, loss_sum, tokens, tracked


def whole(parameters: Parameters, x: Tensor, targets: Tensor, **_: Any) -> dict[str, Tensor]:
    """The gradient of the mean loss over all tokens of the batch, at once."""
    leaves = tracked(parameters)
    return gradients(loss_sum(leaves, x, targets) / tokens(targets), leaves)


def oracle(parameters: Parameters, x: Tensor, targets: Tensor, **_: Any) -> dict[str, Tensor]:
    """The same in double precision (single on MPS, which has no double)."""
    return whole(*_precise(parameters, x), targets)


def by_tokens(parameters: Parameters, x: Tensor, targets: Tensor, parts: int) -> dict[str, Tensor]:
    """Accumulated over parts of the batch, each over the tokens of all of them: the same gradient."""
    return _accumulated(parameters, x, targets, [tokens(targets)] * parts)


def by_means(parameters: Parameters, x: Tensor, targets: Tensor, parts: int) -> dict[str, Tensor]:
    """The mean of the parts' means, as it is often written: another gradient, where parts differ in length.

    A part without tokens counts for nothing.
    """
    counts = [parts * tokens(part).clamp(min=1) for part in targets.chunk(parts)]
    return _accumulated(parameters, x, targets, counts)


def reference_by_means(parameters: Parameters, x: Tensor, targets: Tensor, parts: int) -> dict[str, Tensor]:
    """The mean of means in double precision."""
    return by_means(*_precise(parameters, x), targets, parts)


def _accumulated(
    parameters: Parameters, x: Tensor, targets: Tensor, counts: list[Tensor]
) -> dict[str, Tensor]:
    """The sum of the parts' gradients, the loss of each summed over its tokens, over a count."""
    leaves = tracked(parameters)
    total = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
    for some, true, count in zip(x.chunk(len(counts)), targets.chunk(len(counts)), counts, strict=True):
        for name, part in gradients(loss_sum(leaves, some, true) / count, leaves).items():
            total[name] += part
    return total


def _precise(parameters: Parameters, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    return {name: tensor.to(dtype) for name, tensor in parameters.items()}, x.to(dtype)
