"""A device's own limits, as the best of several readings of work that does nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dsbench.backends import Backend

PRECISIONS = ("float64", "float32", "bfloat16", "float16", "int8")

READINGS = 10


def measure_ceilings(backend: Backend, send: Callable[[Mapping[str, Any]], None]) -> None:
    """Sends ``{"type": "ceiling", "name": ..., "rate": ...}`` a precision in FLOP/s and for ``copy`` in
    bytes a second; with ``"reason"`` instead of a rate where the device cannot."""
    backend.prepare(seed=0)
    for name in (*PRECISIONS, "copy"):
        try:
            rate = _bandwidth(backend) if name == "copy" else _rate(backend, name)
        except Exception as error:  # what a device lacks fails in as many ways as there are devices
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            send({"type": "ceiling", "name": name, "reason": reason[:200]})
        else:
            send({"type": "ceiling", "name": name, "rate": rate})
        backend.release()


def _rate(backend: Backend, precision: str) -> float:
    """FLOP/s of the fastest square product, in sizes that double until one lasts a twentieth of a second
    or is no faster than the one before."""
    size, best = 512, 0.0
    while True:
        seconds = min(_readings(backend, backend.product(precision, size)))
        rate = 2.0 * size**3 / seconds
        if seconds > 0.05 or (size >= 4096 and rate < 1.02 * best):
            return max(rate, best)
        size, best = 2 * size, max(rate, best)


def _bandwidth(backend: Backend) -> float:
    copy, moved = backend.copying()
    return moved / min(_readings(backend, copy))


def _readings(backend: Backend, call: Callable[[], Any]) -> list[float]:
    backend.time(call, 1)
    return backend.time(call, READINGS)
