"""Quantiles and tails of distributions, by scipy, which is imported when the first of them is asked for:
that takes half as long as importing torch, and a worker that measures asks for none."""

from __future__ import annotations

from typing import Any


def student_quantile(freedom: Any, probability: float) -> Any:
    """The value that Student's t stays below with a probability; `freedom`, its degrees, may be an array."""
    from scipy.special import stdtrit

    return stdtrit(freedom, probability)


def normal_quantile(probability: float) -> float:
    """The value that a standard normal variable stays below with a probability."""
    from scipy.special import ndtri

    return float(ndtri(probability))


def normal_tail(value: float) -> float:
    """The probability that a standard normal variable stays below a value."""
    from scipy.special import ndtr

    return float(ndtr(value))
