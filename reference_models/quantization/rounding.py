"""Symmetric rounding to b bits, and rounding that gradients pass.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018; the straight-through estimator is of Bengio, Léonard and Courville, "Estimating or
Propagating Gradients Through Stochastic Neurons for Conditional Computation", 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True)
class Scheme:
    """Bits of weights and activations, and over what an activation's scale is taken."""

    weights: int = 8
    activations: int = 8
    per: Literal["token", "tensor"] = "token"

    def __str__(self) -> str:
        return f"w{self.weights}a{self.activations}" + ("_tensor" if self.per == "tensor" else "")


def largest(bits: int) -> int:
    """The largest integer of so many bits, whose negative is used too: 127 for 8 bits, 1 for 2.

    Raises:
        ValueError: there are fewer than 2 bits, which leave only zero, or more than 8.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"{bits} bits: integers of 2 to 8 bits can be stored as int8")
    return int(2 ** (bits - 1) - 1)


def scale_of(x: torch.Tensor, bits: int, dims: tuple[int, ...]) -> torch.Tensor:
    """The scale by which the largest number along `dims`, which are kept with size 1, becomes the largest
    integer. It has no gradient. Where all numbers are zero it is 1."""
    bound = x.detach().abs().amax(dims, keepdim=True).float()
    return torch.where(bound > 0, bound / largest(bits), 1.0)


def quantize(x: torch.Tensor, scale: torch.Tensor, bits: int) -> torch.Tensor:
    """x / scale rounded to the nearest integer (half to even) that so many bits hold, as int8."""
    top = largest(bits)
    return (x / scale).round().clamp(-top, top).to(torch.int8)


def fake_quantize(x: torch.Tensor, scale: torch.Tensor, bits: int) -> torch.Tensor:
    """x as its integers would give it back, in x's dtype: `quantize` times the scale.

    The gradient is that of x itself, as if nothing had been rounded, and zero where x was cut off.
    """
    top = largest(bits)
    scaled = (x / scale).clamp(-top, top)
    rounded = scaled + (scaled.round() - scaled).detach()
    return (rounded * scale).to(x.dtype)
