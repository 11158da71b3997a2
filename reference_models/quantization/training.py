"""A training loop whose result follows from its seed, and the items a model gets right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.functional import cross_entropy

BATCH = 64


def train(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, steps: int, seed: int, rate: float = 2e-3
) -> None:
    """Trains a classifier in place: Adam with a rate that falls to zero along half a cosine.

    Batches are drawn from an order of the items made anew whenever all had their turn, on the CPU, so that
    a seed stands for the same batches on every device.

    Args:
        model: takes images and gives logits.
        images, labels: of shapes (M, ...) and (M), on the model's device.
        steps: batches of 64 to take.
        seed: of the order of the items.
        rate: the first learning rate.
    """
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = torch.empty(0, dtype=torch.int64)
    model.train()
    with one_thread():
        for _ in range(steps):
            if len(order) < BATCH:
                order = torch.randperm(len(labels), generator=draw)
            chosen, order = order[:BATCH].to(labels.device), order[BATCH:]
            loss = cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    model.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """On the CPU, sums in one order whatever the number of cores, so that a seed stands for the same model;
    models as small as these gain nothing from a second thread, and lose much where a core is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def correct(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Which items a classifier gets right: booleans of shape (M)."""
    model.eval()
    return torch.as_tensor(model(images).argmax(-1) == labels)
