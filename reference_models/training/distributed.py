"""Gradient accumulation over several processes, one a device, each with its own part of the batch.

`DistributedDataParallel` averages the gradients of its processes (Li et al., "PyTorch Distributed:
Experiences on Accelerating Data Parallel Training", VLDB 2020), which is a mean of means once more where the
parts hold unlike numbers of tokens. So the tokens are counted over all processes, and a process's sum is
weighed by the number of processes over that count.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from reference_models.training.model import Parameters, loss_sum, tokens


class Model(nn.Module):
    """The model's parameters, as a module that gives the summed loss."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self.held = nn.ParameterDict(
            {name: nn.Parameter(tensor.clone()) for name, tensor in parameters.items()}
        )

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        return loss_sum(dict(self.held.items()), x, targets)


def accumulated(
    parameters: Parameters, x: Tensor, targets: Tensor, parts: int, by_tokens: bool = True
) -> dict[str, Tensor]:
    """This process's share of a batch, accumulated over parts and averaged over processes, which have to be
    joined in a group already. Every process gets the same gradients.

    Args:
        x, targets: this process's rows of the batch, as many as every other's.
        by_tokens: weighs by the tokens of all processes; else by the mean of means of parts and processes.
    """
    here = [x.device] if x.device.type == "cuda" else None
    model: Any = DistributedDataParallel(Model(parameters), device_ids=here)
    total, world = tokens(targets), distributed.get_world_size()
    distributed.all_reduce(total)
    shares = list(zip(x.chunk(parts), targets.chunk(parts), strict=True))
    for number, (some, true) in enumerate(shares, start=1):
        # Gradients are sent once, with the last part.
        with nullcontext() if number == parts else model.no_sync():
            loss = model(some, true)
            mean = loss * world / total if by_tokens else loss / (parts * tokens(true).clamp(min=1))
            torch.autograd.backward(mean)
    return {name: tensor.grad for name, tensor in model.module.held.items()}
