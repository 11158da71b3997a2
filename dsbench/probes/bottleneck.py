"""Why a device is not busier, in one sentence, from what was seen of it."""

from __future__ import annotations

from collections.abc import Mapping

SHORT = 10e-6
"""Seconds below which a kernel is shorter than what the host needs to launch the next one in eager mode."""

IDLE = 0.7
"""Share of the time in which kernels run, below which what happens between them is the larger loss."""

NEAR = 0.6
"""Share of a ceiling from which on it explains the time: what well-tuned kernels reach."""

FILLED = 0.7
"""Share of the multiprocessors from which on a device has enough to do at once."""


MEMORY = "memory-bound: by the work formula its bytes take longer than its operations"


def why(
    seen: Mapping[str, float], host: bool, bound: str = "", launches: float = 0.0, disturbed: str = ""
) -> str:
    """The first of these causes that holds: the device waits for the host, a ceiling is near, too little
    work at once, more bytes than operations; or that none of them is seen.

    Args:
        seen: shares of one (``kernel_busy``, ``device_busy``, ``sm_active``, ``tensor_active``,
            ``dram_active``, ``achieved``) and ``call``, the seconds of a call; whatever is known of them.
        host: whether the host itself computes.
        bound: the ceiling that binds by the work formula, ``compute`` or ``memory``.
        launches: kernels of a call.
        disturbed: what else disturbed the host meanwhile.
    """
    return _of_host(seen, bound, disturbed) if host else _of_device(seen, bound, launches)


def _of_host(seen: Mapping[str, float], bound: str, disturbed: str) -> str:
    busy, achieved = seen.get("device_busy"), seen.get("achieved")
    if busy is not None and busy < IDLE:
        working = f"the cores work {busy:.0%} of the time"
        if disturbed:
            return f"disturbed: {working}, and this process {disturbed}"
        return f"waiting: {working}, between operators that are short or that one thread does"
    if achieved is not None and achieved >= NEAR:
        return f"near its ceiling: {achieved:.0%} of what the measured {bound} ceiling allows"
    if bound == "memory":
        return MEMORY
    if achieved is not None:
        return f"the cores work, but reach {achieved:.0%} of the ceiling: small products, or other operators"
    return "the cores work; without ceilings (dsbench doctor --ceilings) and a work formula no more is known"


def _of_device(seen: Mapping[str, float], bound: str, launches: float) -> str:
    busy = seen.get("kernel_busy", seen.get("device_busy"))
    if busy is not None and busy < IDLE:
        kernel = seen["kernel_busy"] * seen["call"] / launches if launches and "kernel_busy" in seen else None
        idle = f"kernels run {busy:.0%} of the time"
        if kernel is not None and kernel < SHORT:
            return (
                f"launch-bound: {idle}, {launches:.0f} a call of {kernel * 1e6:.1f} µs each: "
                "fuse them, capture a graph, or give each more to do"
            )
        return f"waiting on the host: {idle}; look for copies, synchronisation and Python between them"
    dram, achieved = seen.get("dram_active"), seen.get("achieved")
    if dram is not None and dram >= NEAR:
        return f"memory-bound: the device's memory is busy {dram:.0%} of the time"
    if achieved is not None and achieved >= NEAR:
        return f"near its ceiling: {achieved:.0%} of what the measured {bound} ceiling allows"
    tensor, active = seen.get("tensor_active"), seen.get("sm_active")
    if tensor is not None and tensor >= NEAR:
        return f"compute-bound: the tensor cores are busy {tensor:.0%} of the time"
    if active is not None and active < FILLED:
        return f"small batch: {active:.0%} of the multiprocessors have work, so give a call more to do"
    if bound == "memory":
        return MEMORY
    return "busy, and no counter that was read says what with"
