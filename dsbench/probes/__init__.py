"""What is measured: one file a probe, each a function from a prepared case to a measurement."""

from __future__ import annotations

from collections.abc import Callable

from dsbench.probes.error import measure_error
from dsbench.probes.latency import measure_latency
from dsbench.probes.memory import measure_memory
from dsbench.probes.prepared import Budget, Prepared, Workload
from dsbench.records import Measurement

RUN: dict[str, Callable[[Prepared, Budget], Measurement]] = {
    "error": measure_error,
    "latency": measure_latency,
    "memory": measure_memory,
}
"""Every probe by name, in the order they run: no time is taken of an answer that is wrong."""

__all__ = ["RUN", "Budget", "Prepared", "Workload"]
