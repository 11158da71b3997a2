"""From a trained model to a quantised one: with training in between (QAT) or with calibration alone (PTQ).

fake = prepare(model, scheme)       # every linear layer and convolution rounds
calibrate(fake, inputs)             # only where activations have one scale for all
...                                 # QAT: train `fake`, PTQ: nothing
small = convert(fake)               # integers
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterable

import torch
from torch import nn

from reference_models.quantization.fake import Activations, FakeConv2d, FakeLinear
from reference_models.quantization.integer import IntegerConv2d, IntegerLinear
from reference_models.quantization.rounding import Scheme


def prepare(model: nn.Module, scheme: Scheme) -> nn.Module:
    """A copy of a model whose linear layers and convolutions are replaced by fake ones.

    Raises:
        ValueError: there is no such layer, or a convolution with groups or dilation.
    """

    def fake(layer: nn.Module) -> nn.Module | None:
        if isinstance(layer, nn.Linear):
            return FakeLinear(layer, scheme)
        return FakeConv2d(layer, scheme) if isinstance(layer, nn.Conv2d) else None

    return _replaced(copy.deepcopy(model), fake)


def calibrate(model: nn.Module, inputs: Iterable[torch.Tensor]) -> None:
    """Finds the bounds of a prepared model's activations, in place, from what inputs make of them."""
    found = [module for module in model.modules() if isinstance(module, Activations)]
    was_training = model.training
    model.eval()
    for module in found:
        module.calibrating = True
    with torch.no_grad():
        for batch in inputs:
            model(batch)
    for module in found:
        module.calibrating = False
    model.train(was_training)


def convert(model: nn.Module) -> nn.Module:
    """A copy of a prepared model, for inference, whose layers compute with integers.

    Raises:
        ValueError: nothing in it was prepared.
        RuntimeError: it wants calibrated bounds and has none.
    """

    def integer(layer: nn.Module) -> nn.Module | None:
        if isinstance(layer, FakeLinear):
            return IntegerLinear(layer)
        return IntegerConv2d(layer) if isinstance(layer, FakeConv2d) else None

    return _replaced(copy.deepcopy(model), integer).eval()


def _replaced(model: nn.Module, replace: Callable[[nn.Module], nn.Module | None]) -> nn.Module:
    """The model with every module that `replace` gives another for put in its place."""
    if (whole := replace(model)) is not None:
        return whole
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if (other := replace(child)) is not None:
                setattr(parent, name, other)
                count += 1
    if not count:
        raise ValueError(f"{type(model).__name__} has no layer that could be replaced")
    return model


def sizes(model: nn.Module) -> dict[str, int]:
    """Bytes of the model as it is saved: all of it, and without what its embeddings hold."""
    embeddings = [name for name, part in model.named_modules() if isinstance(part, nn.Embedding)]
    state = model.state_dict()
    others = {key: value for key, value in state.items() if key.rpartition(".")[0] not in embeddings}
    return {"bytes": _saved(state), "bytes_without_embeddings": _saved(others)}


def _saved(state: dict[str, torch.Tensor]) -> int:
    file = io.BytesIO()
    torch.save(state, file)
    return len(file.getvalue())
