"""A product of two square matrices: the work whose time tells how a machine is today, not a technique."""

from __future__ import annotations

from typing import Any


def matmul(left: Any, right: Any) -> Any:
    """The product of two matrices of shape (N, N)."""
    return left @ right


def work(N: int) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision of one product in single precision."""
    return 2.0 * N**3, 3 * 4.0 * N**2, "float32"
