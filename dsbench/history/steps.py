"""asv's own detection of steps, for holding ours beside it."""

from __future__ import annotations

from collections.abc import Sequence


def asv_steps(values: Sequence[float]) -> list[int]:
    """Where asv sees the level change: indices of the first value after each step, in either direction."""
    from asv.step_detect import detect_steps  # asv takes a while to import

    return [int(left) for left, *_ in detect_steps(list(values))[1:]]
