"""Kernels that two sides measure in turns. How much more one of them does is what its `more` says, a file
that is another one for either side."""

from __future__ import annotations

import functools
from typing import Any

from more import MORE

from dsbench.registry import benchmark

PRODUCTS, STEPS, ROWS = 10, 10_000, 1000


def multiply(left: Any, right: Any, more: float) -> Any:
    """Products, and one of as many rows less as the share asks for."""
    for _ in range(PRODUCTS):
        result = left @ right
    if more:
        left[: round(more * PRODUCTS * len(left))] @ right
    return result


def count(start: int, more: float) -> int:
    """A plain loop of Python."""
    total = start
    for step in range(round(STEPS * (1 + more))):
        total += step & 7
    return total


def normalise(rows: Any, more: float) -> Any:
    """A softmax, which waits for memory."""
    return rows[: round(ROWS * (1 + more))].softmax(-1)


def candidates(kernel: Any) -> dict[str, Any]:
    """A kernel with every share of more work."""
    return {name: functools.partial(kernel, more=share) for name, share in MORE.items()}


@benchmark(candidates=candidates(multiply), baseline="same")
def matmul(device: str, seed: int) -> dict[str, Any]:
    """Ten products of square matrices: 256² on the CPU, 2048² elsewhere."""
    import torch

    draw = torch.Generator(device).manual_seed(seed)
    size, kind = (256, torch.float32) if device == "cpu" else (2048, torch.bfloat16)
    return {
        name: torch.randn(size, size, generator=draw, device=device).to(kind) for name in ("left", "right")
    }


@benchmark(candidates=candidates(count), baseline="same")
def loop(device: str, seed: int) -> dict[str, Any]:
    """Ten thousand steps of a Python loop."""
    del device
    return {"start": seed % 2}


@benchmark(candidates=candidates(normalise), baseline="same")
def softmax(device: str, seed: int) -> dict[str, Any]:
    """Softmax of 1,000 rows: of 2,048 numbers on the CPU, 65,536 elsewhere."""
    import torch

    draw = torch.Generator(device).manual_seed(seed)
    width = 2048 if device == "cpu" else 65536
    return {"rows": torch.randn(round(1.05 * ROWS), width, generator=draw, device=device)}
