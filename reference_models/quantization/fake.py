"""Layers that compute in floating point what the integer layers will: to train with, and to calibrate.

Source: Jacob et al., CVPR 2018, section 3, with weights a scale an output channel (Krishnamoorthi,
"Quantizing deep convolutional networks for efficient inference", 2018, section 3).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import conv2d, linear

from reference_models.quantization.rounding import Scheme, fake_quantize, largest, scale_of

MOMENTUM = 0.01
"""How much of a calibrated bound each training step renews."""


class Activations(nn.Module):
    """Fake quantisation of a layer's input.

    With ``token`` every row along `dims` has its own scale, taken when it comes. With ``tensor`` there is
    one bound for all: while `calibrating` it grows to the largest number seen; in training it follows the
    largest number of each step, as an exponential average; else it stays.
    """

    def __init__(self, scheme: Scheme, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.scheme, self.dims, self.calibrating = scheme, dims, False
        self.bound: torch.Tensor
        self.register_buffer("bound", torch.zeros(()))

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        """The scale for an input; a number when there is one for all.

        Raises:
            RuntimeError: it is to be the calibrated one, and nothing was calibrated.
        """
        if self.scheme.per == "token":
            return scale_of(x, self.scheme.activations, self.dims)
        if self.training or self.calibrating:
            seen = x.detach().abs().amax().float()
            if self.calibrating or self.bound == 0:
                self.bound = torch.maximum(self.bound, seen)
            else:
                self.bound = torch.lerp(self.bound, seen, MOMENTUM)
        if self.bound == 0:
            raise RuntimeError("an activation's bound is not calibrated: call `calibrate` with inputs first")
        return self.bound / largest(self.scheme.activations)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x of any shape, rounded; while calibrating, x as it is."""
        scale = self.scale(x)
        return x if self.calibrating else fake_quantize(x, scale, self.scheme.activations)


class FakeLinear(nn.Module):
    """A linear layer of weight (N, K) whose weight and input (..., K) are rounded."""

    def __init__(self, layer: nn.Linear, scheme: Scheme) -> None:
        super().__init__()
        self.scheme, self.weight, self.bias = scheme, layer.weight, layer.bias
        self.activations = Activations(scheme, (-1,))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = scale_of(self.weight, self.scheme.weights, (1,))
        return linear(self.activations(x), fake_quantize(self.weight, scale, self.scheme.weights), self.bias)


class FakeConv2d(nn.Module):
    """A convolution whose weight (N, C, h, w) and input (B, C, H, W) are rounded; what is a token to a
    linear layer is an image to this one."""

    def __init__(self, layer: nn.Conv2d, scheme: Scheme) -> None:
        super().__init__()
        self.scheme, self.weight, self.bias = scheme, layer.weight, layer.bias
        self.stride, self.padding = plain(layer)
        self.activations = Activations(scheme, (1, 2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = scale_of(self.weight, self.scheme.weights, (1, 2, 3))
        weight = fake_quantize(self.weight, scale, self.scheme.weights)
        return conv2d(self.activations(x), weight, self.bias, self.stride, self.padding)


def plain(layer: nn.Conv2d) -> tuple[tuple[int, int], tuple[int, int]]:
    """The stride and padding of a convolution without groups, dilation or padding by name.

    Raises:
        ValueError: it has one of these.
    """
    if layer.groups != 1 or layer.dilation != (1, 1) or isinstance(layer.padding, str):
        raise ValueError(f"{layer}: only convolutions without groups, dilation and named padding are done")
    (down, right), (top, left) = layer.stride, layer.padding
    return (down, right), (top, left)
