"""One linear layer in every format: x (B, D) times a weight (D, D), plus a bias (D).

The functions named ``prepare_...`` turn the weight into a candidate's own format, which a model does once
when it is loaded; what is timed takes the activations as they come, so that rounding them to integers is
timed. The ``reference_...`` of a candidate is its own arithmetic in double precision (single on MPS). With
`mode` ``compiled`` a call goes through `torch.compile`, one compilation for each B.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from reference_models.quantization.fake import FakeLinear
from reference_models.quantization.integer import IntegerLinear, int_matmul
from reference_models.quantization.rounding import Scheme, quantize, scale_of

D = 1024
BITS = 8


def inputs(B: int, mode: str, device: str, seed: int) -> dict[str, Any]:
    """Normal numbers; the weight keeps the variance of what goes through it."""
    draw = torch.Generator().manual_seed(seed)
    made = {"x": torch.randn(B, D, generator=draw), "weight": torch.randn(D, D, generator=draw) / D**0.5}
    made["bias"] = torch.randn(D, generator=draw)
    return {**{name: tensor.to(device) for name, tensor in made.items()}, "mode": mode}


def run(function: Callable[..., Tensor], mode: str) -> Callable[..., Tensor]:
    """The function, compiled if that is the mode."""
    return function if mode == "eager" else _compiled(function)


@cache
def _compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return torch.compile(function, dynamic=False)


def floating(x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> Tensor:
    """The layer in the format of its tensors."""
    return run(linear, mode)(x, weight, bias)


def oracle(x: Tensor, weight: Tensor, bias: Tensor, **_: Any) -> Tensor:
    """The layer in double precision."""
    x, weight, bias = _precise(x, weight, bias)
    return x @ weight.t() + bias


def prepare_bfloat16(x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> dict[str, Any]:
    """All of it in bfloat16, as a model in that format has it."""
    return {"x": x.bfloat16(), "weight": weight.bfloat16(), "bias": bias.bfloat16(), "mode": mode}


def reference_bfloat16(x: Tensor, weight: Tensor, bias: Tensor, **_: Any) -> Tensor:
    """The rounded numbers multiplied without further rounding."""
    return oracle(x.bfloat16(), weight.bfloat16(), bias.bfloat16())


def prepare_int8(x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> dict[str, Any]:
    """The weight as int8 with a scale a row, from this package's own conversion."""
    layer = IntegerLinear(FakeLinear(_layer(weight, bias), Scheme(BITS, BITS)))
    return {"x": x, "weight": layer.weight, "scale": layer.weight_scale, "bias": layer.bias, "mode": mode}


def int8(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, mode: str) -> Tensor:
    """Activations rounded a row at a time, then a product of integers: what `IntegerLinear` computes."""
    return run(_int8, mode)(x, weight, scale, bias)


def _int8(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    row = scale_of(x, BITS, (-1,))
    return int_matmul(quantize(x, row, BITS), weight.t()).float() * (row * scale) + bias


def reference_int8(x: Tensor, weight: Tensor, bias: Tensor, **_: Any) -> Tensor:
    """Both operands rounded, put back to numbers and multiplied."""
    x, weight = (_rounded(side, scale_of(side, BITS, (-1,)), 127) for side in (x, weight))
    return oracle(x, weight, bias)


def prepare_int8_weight(x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> dict[str, Any]:
    """The weight as int8, and everything else in bfloat16."""
    scale = scale_of(weight, BITS, (-1,))
    packed = {"weight": quantize(weight, scale, BITS), "scale": scale.flatten().bfloat16()}
    return {"x": x.bfloat16(), **packed, "bias": bias.bfloat16(), "mode": mode}


def int8_weight(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, mode: str) -> Tensor:
    """PyTorch's kernel for a weight of int8 and activations that are not rounded."""
    return run(_int8_weight, mode)(x, weight, scale, bias)


def _int8_weight(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return torch._weight_int8pack_mm(x, weight, scale) + bias


def reference_int8_weight(x: Tensor, weight: Tensor, bias: Tensor, **_: Any) -> Tensor:
    """The rounded weight, by its scale in bfloat16, times the activations."""
    scale = scale_of(weight, BITS, (-1,))
    integers, by = _precise(quantize(weight, scale, BITS), scale.bfloat16())
    return oracle(x.bfloat16(), integers * by, bias.bfloat16())


def prepare_torchao(x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> dict[str, Any]:
    """The layer as torchao converts it."""
    from reference_models.quantization.with_torchao import quantized

    layer = quantized(nn.Sequential(_layer(weight, bias))).get_submodule("0")
    return {"x": x, "weight": layer.weight, "bias": bias, "mode": mode}


def reference_torchao(x: Tensor, weight: Tensor, bias: Tensor, **_: Any) -> Tensor:
    """torchao's symmetric rounding, whose scale puts the largest number at 127.5, before it is cut off."""
    x, weight = (_rounded(side, side.abs().amax(-1, keepdim=True) / 127.5, 128) for side in (x, weight))
    return oracle(x, weight, bias)


def work_float32(B: int, **_: Any) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision: the weight, x and the result once."""
    return _work(B, 4, 4, "float32")


def work_bfloat16(B: int, **_: Any) -> tuple[float, float, str]:
    """The same with two bytes a number."""
    return _work(B, 2, 2, "bfloat16")


def work_int8(B: int, **_: Any) -> tuple[float, float, str]:
    """The same with a weight of one byte a number, and x and the result in float32."""
    return _work(B, 1, 4, "int8")


def work_int8_weight(B: int, **_: Any) -> tuple[float, float, str]:
    """The same with a weight of one byte a number, and products in bfloat16."""
    return _work(B, 1, 2, "bfloat16")


def _work(B: int, weight: int, others: int, dtype: str) -> tuple[float, float, str]:
    return 2.0 * B * D**2, float(weight * D**2 + others * 2 * B * D), dtype


def _layer(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(D, D, device=weight.device)
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer.requires_grad_(False)


def _rounded(x: Tensor, scale: Tensor, lowest: int) -> Tensor:
    """Rounded as the candidate rounds, in single precision, then put back to numbers in double."""
    integers, by = _precise((x / scale).round().clamp(-lowest, 127), scale)
    return integers * by


def _precise(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Double precision, or single on MPS, which has no double."""
    return tuple(t.to(torch.float32 if t.device.type == "mps" else torch.float64) for t in tensors)
