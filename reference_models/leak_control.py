"""A step whose leak is known, and the same step without: what a leak detector has to tell apart."""

from __future__ import annotations

import torch

LEAK = 16 * 1024
"""Bytes that `leaking` keeps a call; the tensor's own record comes on top, some hundred bytes of the host."""

_kept: list[torch.Tensor] = []


def clean(x: torch.Tensor) -> torch.Tensor:
    """The sine of x, of any shape."""
    return x.sin()


def leaking(x: torch.Tensor) -> torch.Tensor:
    """The same, and a part of the answer is kept for good."""
    answer = x.sin()
    _kept.append(answer.flatten()[: LEAK // answer.element_size()].clone())
    return answer
