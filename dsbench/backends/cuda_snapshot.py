"""Which line made the blocks that torch's allocator on the device keeps: CUDA and ROCm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from dsbench.backends.lines import blamed


def block_lines(
    memory: Any, call: Callable[[], Any], steps: int, synchronize: Callable[[], None]
) -> dict[str, float]:
    """Bytes a step that blocks of the device's memory grow by, by the line that asked for them.

    Two snapshots are compared, so that what every step replaces cancels out. Unlike a ledger of tensors it
    sees what libraries take for themselves.

    Args:
        memory: the module ``torch.cuda.memory``.
        call: one step; what it returns is dropped.
        steps: how many steps lie between the snapshots.
        synchronize: waits until the device has nothing left to do.
    """
    memory._record_memory_history("state", stacks="python")
    try:
        call()
        synchronize()
        before = _held(memory._snapshot())
        for _ in range(steps):
            call()
        synchronize()
        after = _held(memory._snapshot())
    finally:
        memory._record_memory_history(None)
    after.subtract(before)
    return {line: size / steps for line, size in after.items() if size > 0}


def _held(snapshot: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for segment in snapshot["segments"]:
        for block in segment["blocks"]:
            if block["state"] == "active_allocated" and block.get("frames"):
                frames = ((frame["filename"], frame["line"]) for frame in block["frames"])
                found[blamed(frames)] += block["size"]
    return found
