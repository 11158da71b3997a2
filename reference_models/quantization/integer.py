"""Layers whose product is one of integers, int8 by int8 into int32, as the device has it.

`torch._int_mm` is what there is: on the CPU by oneDNN in any shape; on CUDA and ROCm by cuBLASLt and
hipBLASLt, which want more than 16 rows and the other two sizes in multiples of 8, so that smaller operands
are filled up with zeros here. A device without it (MPS, as of PyTorch 2.13) gets the same integers by
products in single precision, which is exact in pieces of 1,024 but saves nothing.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import pad

from reference_models.quantization.fake import FakeConv2d, FakeLinear
from reference_models.quantization.rounding import largest, quantize, scale_of

ROWS, MULTIPLE = 32, 8
"""What operands on CUDA and ROCm are filled up to: rows where there are fewer than 17, columns."""

EXACT = 1024
"""Products of two int8, at most 128², that single precision sums without rounding: 2²⁴ / 2¹⁴."""


def int_matmul(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The product in int32, of shape (M, N), of int8 matrices of shapes (M, K) and (K, N)."""
    if left.device.type == "cpu":
        return torch._int_mm(left, right)
    if left.device.type == "cuda":
        return torch._int_mm(*filled_up(left, right))[: left.shape[0], : right.shape[1]]
    return by_floats(left, right)


def filled_up(left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two operands in shapes that CUDA takes, filled up with zeros, which add nothing to any sum. A right
    one that is transposed in memory, as libraries have it fastest, stays so."""
    (m, k), n = left.shape, right.shape[1]
    rows, inner, columns = ROWS - m if m <= 16 else 0, -k % MULTIPLE, -n % MULTIPLE
    if rows or inner:
        left = pad(left, (0, inner, 0, rows))
    if inner or columns:
        right = pad(right.t(), (0, inner, 0, columns)).t()
    return left, right


def by_floats(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The same product where there is none of integers."""
    total = torch.zeros(left.shape[0], right.shape[1], dtype=torch.int32, device=left.device)
    for one, other in zip(torch.split(left, EXACT, 1), torch.split(right, EXACT, 0), strict=True):
        total += (one.float() @ other.float()).to(torch.int32)
    return total


class IntegerLayer(nn.Module):
    """What integer layers keep: `weight` (N, K) as int8, its `weight_scale` (N), the `bias` (N) if any, and
    the input's calibrated `scale` if it has one."""

    weight: torch.Tensor
    weight_scale: torch.Tensor
    bias: torch.Tensor | None
    scale: torch.Tensor | None

    def __init__(self, fake: FakeLinear | FakeConv2d) -> None:
        super().__init__()
        scheme, weight = fake.scheme, fake.weight.detach()
        scale = scale_of(weight, scheme.weights, tuple(range(1, weight.ndim)))
        self.bits = scheme.activations
        self.register_buffer("weight", quantize(weight, scale, scheme.weights).flatten(1))
        self.register_buffer("weight_scale", scale.flatten())
        self.register_buffer("bias", None if fake.bias is None else fake.bias.detach().clone())
        calibrated = None
        if scheme.per == "tensor":
            calibrated = fake.activations.bound / largest(scheme.activations)
            if calibrated == 0:
                raise RuntimeError("an activation's bound is not calibrated: call `calibrate` first")
        self.register_buffer("scale", calibrated)

    def rounded(self, x: torch.Tensor, dims: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """The input's integers and their scale, calibrated or taken along `dims`."""
        scale = scale_of(x, self.bits, dims) if self.scale is None else self.scale
        return quantize(x, scale, self.bits), scale

    def product(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """The layer's result in float32, of shape (M, N), of int8 rows of shape (M, K)."""
        out = int_matmul(x, self.weight.t()).float() * (scale * self.weight_scale)
        return out if self.bias is None else out + self.bias


class IntegerLinear(IntegerLayer):
    """A linear layer over inputs of shape (..., K), in the input's dtype."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, scale = self.rounded(x.reshape(-1, x.shape[-1]), (-1,))
        return self.product(rows, scale).to(x.dtype).reshape(*x.shape[:-1], -1)


class IntegerConv2d(IntegerLayer):
    """A convolution over images of shape (B, C, H, W), as one product over all their patches."""

    def __init__(self, fake: FakeConv2d) -> None:
        super().__init__(fake)
        self.kernel = (fake.weight.shape[2], fake.weight.shape[3])
        self.stride, self.padding = fake.stride, fake.padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (high, wide), (down, right), (top, left) = self.kernel, self.stride, self.padding
        images, scale = self.rounded(x, (1, 2, 3))
        patches = pad(images, (left, left, top, top)).unfold(2, high, down).unfold(3, wide, right)
        batch, _, rows, columns = patches.shape[:4]
        flat = patches.permute(0, 2, 3, 1, 4, 5).reshape(batch * rows * columns, -1)
        if self.scale is None:  # one a image, so one for each of its patches
            scale = scale.reshape(batch, 1).expand(batch, rows * columns).reshape(-1, 1)
        out = self.product(flat, scale).to(x.dtype)
        return out.reshape(batch, rows, columns, -1).permute(0, 3, 1, 2)
