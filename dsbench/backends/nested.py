"""Nested values side by side: candidates take and give back mappings and sequences of arrays and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that holds no other, with its place, such as ``['cache'][0]``.

    Mappings, lists and tuples are walked through, and so is what gives its state away by
    ``state_dict()``, such as a module, or is made of other tensors by ``__tensor_flatten__()``, such as a
    quantised one.
    """
    if callable(getattr(value, "state_dict", None)):
        yield from leaves(value.state_dict(), place)
    elif callable(getattr(value, "__tensor_flatten__", None)):
        for name in value.__tensor_flatten__()[0]:
            yield from leaves(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, f"{place}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            yield from leaves(part, f"{place}[{number}]")
    else:
        yield place, value


def identical(left: Any, right: Any, same: Callable[[Any, Any], bool]) -> bool:
    """Whether two nested values have the same places, and `same` says so of every two leaves."""
    found, wanted = dict(leaves(left)), dict(leaves(right))
    return found.keys() == wanted.keys() and all(same(found[place], wanted[place]) for place in wanted)


def same_plain(left: Any, right: Any) -> bool:
    """Whether two numbers, NumPy arrays or other plain values are the same to the last bit."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return bool(left.hex() == right.hex())  # tells 0.0 from -0.0, and NaN equals itself
    if isinstance(left, (np.ndarray, np.generic)):
        left, right = ((side.dtype, side.shape, side.tobytes()) for side in (left, right))
    return bool(left == right)


def address(array: Any) -> int:
    """Where the memory of a NumPy array, or of what it is a view of, begins."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return int(array.__array_interface__["data"][0])


def relative_error(
    actual: Any, expected: Any, xp: Any, double: Callable[[Any, Any], tuple[Any, Any]]
) -> float:
    """The distance ‖actual − expected‖ / ‖expected‖, all leaves taken together as one vector; the
    distance itself when what was expected is zero.

    It is infinite where a number is not finite unless the same infinity was expected there; an
    expected NaN never matches. Leaves that are None or text have to be equal and count for nothing.

    Args:
        actual, expected: nested values of the same places.
        xp: the arrays' namespace by the Python array API standard, such as ``numpy`` or ``torch``.
        double: makes two leaves arrays of double precision in one place.

    Raises:
        ValueError: the places or shapes differ, or there is no number to compare.
    """
    found, wanted = dict(leaves(actual)), dict(leaves(expected))
    if found.keys() != wanted.keys():
        raise ValueError(f"the answer holds {_places(found)}, expected were {_places(wanted)}")
    norms = []
    for place, leaf in wanted.items():
        if _is_label(leaf) or _is_label(found[place]):
            if type(leaf) is not type(found[place]) or leaf != found[place]:
                raise ValueError(f"answer{place} is not the expected {leaf!r}")
            continue
        left, right = double(found[place], leaf)
        if left.shape != right.shape:
            raise ValueError(
                f"answer{place} has shape {tuple(left.shape)}, expected was {tuple(right.shape)}"
            )
        norms.append(_norms(left, right, xp))
    if not norms:
        raise ValueError("there is no number to compare")
    distance, size = (math.hypot(*side) for side in zip(*norms, strict=True))
    if not math.isfinite(distance):
        return math.inf
    return distance / size if size else distance


def _norms(actual: Any, expected: Any, xp: Any) -> tuple[float, float]:
    """‖actual − expected‖ and ‖expected‖ of two arrays of one shape, infinities that agree left out."""
    same_infinity = xp.isinf(expected) & (actual == expected)
    zero = xp.zeros_like(expected)  # infinity less infinity would be NaN
    actual, expected = (xp.where(same_infinity, zero, side) for side in (actual, expected))
    norm = xp.linalg.vector_norm
    return float(norm(actual - expected)), float(norm(expected))


def _is_label(leaf: Any) -> bool:
    return leaf is None or isinstance(leaf, str)


def _places(found: Mapping[str, Any]) -> str:
    return ", ".join(f"answer{place}" for place in found) or "nothing"
