"""The probe `memory`: the most that a call holds at once beyond its inputs."""

from __future__ import annotations

from dsbench.probes.prepared import Budget, Prepared
from dsbench.records import Measurement


def measure_memory(prepared: Prepared, budget: Budget) -> Measurement:
    """One reading in bytes, of a call whose caches were filled by an earlier one.

    Raises:
        UnsupportedError: the device does not say.
    """
    call = prepared.call
    if not budget.once:
        call()
    prepared.backend.release()
    return prepared.measurement("memory", {"peak_memory": [float(prepared.backend.peak_memory(call))]})
