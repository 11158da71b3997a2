"""Gradient checkpointing: what is inside of a block is computed again for the backward pass, not kept.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016 (arXiv:1604.06174). Blocks with dropout
have to drop the same numbers the second time, for which the state of the random numbers is put back; the
gradients are then the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from reference_models.training.model import Block, Parameters, Wrap, gradients, loss_sum, tokens, tracked

DROP = 0.1


def plain(parameters: Parameters, x: Tensor, targets: Tensor, seed: int) -> dict[str, Tensor]:
    """The gradient with all activations kept."""
    return _gradient(parameters, x, targets, seed, lambda made: made)


def checkpointed(parameters: Parameters, x: Tensor, targets: Tensor, seed: int) -> dict[str, Tensor]:
    """The gradient with the blocks' inputs kept, and the rest computed again."""
    return _gradient(parameters, x, targets, seed, remembering)


def forgetful(parameters: Parameters, x: Tensor, targets: Tensor, seed: int) -> dict[str, Tensor]:
    """The mistake that nobody sees: other numbers are dropped the second time, and the gradient is not
    that of any loss."""
    return _gradient(parameters, x, targets, seed, lambda made: _again(made, remember=False))


def remembering(made: Block) -> Block:
    """A block that is computed again, with the same random numbers."""
    return _again(made, remember=True)


def kept(parameters: Parameters, x: Tensor, targets: Tensor, seed: int, wrap: Wrap) -> int:
    """Bytes that the forward pass keeps for the backward one, parameters left out, each memory once."""
    leaves = tracked(parameters)

    def forward() -> None:
        with seeded(x, seed):
            loss_sum(leaves, x, targets, DROP, wrap)

    return held(forward, leaves)


def held(call: Callable[[], Any], parameters: Parameters) -> int:
    """Bytes that a call saves for backward passes, parameters left out, each memory once."""
    seen = dict[int, Tensor]()
    own = {tensor.untyped_storage().data_ptr() for tensor in parameters.values()}

    def note(tensor: Tensor) -> Tensor:
        # Kept, so that no later tensor gets the same memory.
        seen[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        call()
    return sum(tensor.untyped_storage().nbytes() for at, tensor in seen.items() if at not in own)


def _again(made: Block, remember: bool) -> Block:
    def wrapped(x: Tensor, up: Tensor, down: Tensor, drop: float) -> Tensor:
        out: Tensor = checkpoint(made, x, up, down, drop, use_reentrant=False, preserve_rng_state=remember)
        return out

    return wrapped


def _gradient(parameters: Parameters, x: Tensor, targets: Tensor, seed: int, wrap: Any) -> dict[str, Tensor]:
    leaves = tracked(parameters)
    with seeded(x, seed):
        return gradients(loss_sum(leaves, x, targets, DROP, wrap) / tokens(targets), leaves)


@contextmanager
def seeded(x: Tensor, seed: int) -> Iterator[None]:
    """Random numbers of a seed on x's device, and afterwards those that would have come (on MPS, where
    PyTorch cannot put them back, on the host alone)."""
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
