"""Work on long sequences in chunks, so that what is held at once stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import torch

ON_CPU, ON_ACCELERATOR = 32 * 2**20, 2**30
"""Bytes that the intermediate results of a chunk may take: on a CPU few, to stay near its caches; on an
accelerator many, to launch few kernels."""


def budget_of(device: torch.device) -> int:
    """Bytes that the intermediate results of one chunk may take on a device."""
    return ON_CPU if device.type == "cpu" else ON_ACCELERATOR


def chunks(count: int, bytes_each: int, budget: float) -> Iterator[slice]:
    """Splits `count` rows that need `bytes_each` bytes each into chunks of at least one row."""
    size = int(max(1, min(count, budget / bytes_each)))
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))


def chunk_bytes(count: int, bytes_each: int) -> int:
    """The most bytes that a chunk takes, on any device."""
    return min(count * bytes_each, max(bytes_each, ON_ACCELERATOR))
