"""The handwritten digits that come with scikit-learn, and a model trained on half of them."""

from __future__ import annotations

from typing import Any

import torch

from dsbench.backends import UnsupportedError
from reference_models.quantization.models import build
from reference_models.quantization.training import train

STEPS, FURTHER = 300, 150
"""Steps that the model is trained for, and that the arms may go on for."""

Items = tuple[torch.Tensor, torch.Tensor]


def load(device: str) -> tuple[Items, Items]:
    """Images of 64 numbers from 0 to 1 and their labels: 898 to train with and 899 to test on, the same
    for every seed, because the test items are paired over seeds.

    Raises:
        UnsupportedError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UnsupportedError(
            f"scikit-learn cannot be imported ({error}): pip install 'dsbench[tasks]'"
        ) from error
    pixels, digits = load_digits(return_X_y=True)
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
    images = (torch.tensor(pixels, dtype=torch.float32) / 16)[order].to(device)
    labels = torch.tensor(digits)[order].to(device)
    half = len(order) // 2
    return (images[:half], labels[:half]), (images[half:], labels[half:])


def task(model: str, device: str, seed: int, steps: int = STEPS, further: int = FURTHER) -> dict[str, Any]:
    """A trained model with what every arm takes; all of it but the items follows from the seed."""
    training, test = load(device)
    made = build(model, seed).to(device)
    train(made, *training, steps=steps, seed=seed)
    return {"model": made, "train": training, "test": test, "steps": further, "seed": seed + 1}
