"""What can be done with a trained model, each on the same items: nothing, more training, PTQ, QAT.

Every arm takes a trained `model`, the `train` and `test` items as (images, labels), how many `steps` more
it may train and the `seed` of their order. It leaves the model as it is, and returns which test items were
answered right and the bytes of the model that answered them. Those that train all take the same steps over
the same batches, so that what QAT gains over `control` is not the gain of more training.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from reference_models.quantization.convert import calibrate, convert, prepare, sizes
from reference_models.quantization.rounding import Scheme
from reference_models.quantization.training import correct, train

Items = tuple[torch.Tensor, torch.Tensor]
RATE = 5e-4
"""The first learning rate of the further steps: a quarter of what the model was trained with."""

CALIBRATION = 256
"""Items of the training set from which PTQ and QAT take their first bounds."""


def float32(model: nn.Module, test: Items, **_: Any) -> dict[str, Any]:
    """The model as it is."""
    return answered(model, test)


def bfloat16(model: nn.Module, test: Items, **_: Any) -> dict[str, Any]:
    """The model cast to bfloat16, half as large without any calibration."""
    images, labels = test
    return answered(copy.deepcopy(model).bfloat16(), (images.bfloat16(), labels))


def control(model: nn.Module, train: Items, test: Items, steps: int, seed: int) -> dict[str, Any]:
    """The control arm: as many further steps as QAT gets, without rounding."""
    return answered(further(copy.deepcopy(model), train, steps, seed), test)


def ptq(model: nn.Module, train: Items, test: Items, scheme: Scheme, **_: Any) -> dict[str, Any]:
    """Rounded to integers without further training."""
    return answered(convert(calibrated(model, train, scheme)), test)


def qat(model: nn.Module, train: Items, test: Items, steps: int, seed: int, scheme: Scheme) -> dict[str, Any]:
    """Trained on while it rounds, then converted to integers."""
    return answered(convert(further(calibrated(model, train, scheme), train, steps, seed)), test)


def ptq_w8a8(**inputs: Any) -> dict[str, Any]:
    """PTQ, 8 bits, one scale a token."""
    return ptq(**inputs, scheme=Scheme())


def qat_w8a8(**inputs: Any) -> dict[str, Any]:
    """QAT, 8 bits, one scale a token."""
    return qat(**inputs, scheme=Scheme())


def ptq_w8a8_tensor(**inputs: Any) -> dict[str, Any]:
    """PTQ, 8 bits, one calibrated scale for all activations of a layer."""
    return ptq(**inputs, scheme=Scheme(per="tensor"))


def qat_w8a8_tensor(**inputs: Any) -> dict[str, Any]:
    """QAT, 8 bits, one calibrated scale for all activations of a layer."""
    return qat(**inputs, scheme=Scheme(per="tensor"))


def ptq_w2a8(**inputs: Any) -> dict[str, Any]:
    """The positive control: with weights of 2 bits, PTQ has to do visible harm."""
    return ptq(**inputs, scheme=Scheme(weights=2))


def qat_w2a8(**inputs: Any) -> dict[str, Any]:
    """The positive control's other half: QAT has to repair most of it."""
    return qat(**inputs, scheme=Scheme(weights=2))


def calibrated(model: nn.Module, items: Items, scheme: Scheme) -> nn.Module:
    """The model with fake layers, their bounds taken from the first of the training items."""
    fake = prepare(model, scheme).eval()
    if scheme.per == "tensor":
        calibrate(fake, [items[0][:CALIBRATION]])
    return fake


def answered(model: nn.Module, test: Items) -> dict[str, Any]:
    """Which test items a model gets right, and its bytes."""
    return {"correct": correct(model, *test), **sizes(model)}


def further(model: nn.Module, items: Items, steps: int, seed: int) -> nn.Module:
    """The model itself, after its further steps."""
    train(model, *items, steps=steps, seed=seed, rate=RATE)
    return model
