"""The same by torchao, PyTorch's library for it (version 0.18), whose convolutions stay as they are.

`Int8DynamicActivationInt8WeightConfig` is its W8A8: one scale a row of the weight, and one a token taken
when it comes. `QATConfig` refuses to derive a training step from it, and has no fake quantisation of
tokens that is symmetric. With tokens rounded asymmetrically, and the two halves named one by one, there is
a training step whose numbers are those of the converted model; that is what `qat` does.
"""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from torch import nn

from reference_models.quantization.arms import Items, answered, further


def _torchao() -> tuple[Any, Any]:
    """torchao's modules for quantisation and for training.

    Raises:
        NotImplementedError: it is not installed.
    """
    # It logs a warning for each of its extensions that is built for another Python or device.
    logging.getLogger("torchao").setLevel(logging.ERROR)
    try:
        from torchao import quantization
        from torchao.quantization import qat
    except ImportError as error:
        raise NotImplementedError(
            f"torchao cannot be imported ({error}): pip install 'dsbench[torchao]'"
        ) from error
    return quantization, qat


def quantized(model: nn.Module, asymmetric: bool = False) -> nn.Module:
    """A copy of a model whose linear layers are W8A8.

    Args:
        asymmetric: whether tokens have a zero point, as those of `trainable` do.
    """
    library, _ = _torchao()
    mapping = library.MappingType.ASYMMETRIC if asymmetric else library.MappingType.SYMMETRIC
    model = copy.deepcopy(model)
    library.quantize_(model, library.Int8DynamicActivationInt8WeightConfig(act_mapping_type=mapping))
    return model


def trainable(model: nn.Module) -> nn.Module:
    """A copy of a model whose linear layers round while it trains."""
    library, qat_of = _torchao()
    tokens = qat_of.IntxFakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False)
    weights = qat_of.IntxFakeQuantizeConfig(torch.int8, "per_channel", is_symmetric=True)
    model = copy.deepcopy(model)
    library.quantize_(
        model, qat_of.QATConfig(activation_config=tokens, weight_config=weights, step="prepare")
    )
    return model


def converted(model: nn.Module) -> nn.Module:
    """What `trainable` gave, after training, with integers."""
    library, qat_of = _torchao()
    plain = copy.deepcopy(model)
    library.quantize_(plain, qat_of.QATConfig(step="convert"))
    return quantized(plain, asymmetric=True)


def ptq(model: nn.Module, test: Items, **_: Any) -> dict[str, Any]:
    """W8A8 without further training."""
    return answered(quantized(model), test)


def qat(model: nn.Module, train: Items, test: Items, steps: int, seed: int) -> dict[str, Any]:
    """Trained on while it rounds, then converted to W8A8."""
    return answered(converted(further(trainable(model), train, steps, seed)), test)
