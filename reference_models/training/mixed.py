"""Mixed precision: products in a short format, parameters and sums in float32.

Micikevicius et al., "Mixed Precision Training", ICLR 2018 (arXiv:1710.03740). float16 has no room for small
gradients, so that the loss is multiplied before the backward pass and the gradients are divided after it;
bfloat16 has the range of float32 and needs none of that. The factor here is fixed;
`torch.amp.GradScaler` finds one while it trains. Arguments and their shapes are those of `model.inputs`; the
result has a gradient a parameter, of its shape, in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reference_models.training.model import Parameters, gradients, loss_sum, tokens, tracked

SCALE = 2.0**14
"""What the loss is multiplied by in float16. A power of two rounds nothing."""


def bfloat16(parameters: Parameters, x: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The gradient of the mean loss over all tokens, its products in bfloat16."""
    return _gradient(parameters, x, targets, torch.bfloat16, 1.0)


def float16(parameters: Parameters, x: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The same in float16, the loss scaled."""
    return _gradient(parameters, x, targets, torch.float16, SCALE)


def unscaled(parameters: Parameters, x: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The mistake: in float16 without a scale, where small gradients become zero."""
    return _gradient(parameters, x, targets, torch.float16, 1.0)


def _gradient(
    parameters: Parameters, x: Tensor, targets: Tensor, dtype: torch.dtype, scale: float
) -> dict[str, Tensor]:
    leaves = tracked(parameters)
    with torch.autocast(x.device.type, dtype):
        loss = loss_sum(leaves, x, targets) / tokens(targets)
    return {name: part / scale for name, part in gradients(loss * scale, leaves).items()}
