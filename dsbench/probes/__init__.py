"""What is measured: one file a probe, each a function from a prepared case to a measurement."""

from __future__ import annotations

from collections.abc import Callable

from dsbench.probes.accuracy import measure_accuracy
from dsbench.probes.energy import measure_energy
from dsbench.probes.error import measure_error
from dsbench.probes.latency import Latency
from dsbench.probes.leak import measure_leak
from dsbench.probes.load import measure_load
from dsbench.probes.memory import measure_memory
from dsbench.probes.prepared import Budget, Prepared, Workload
from dsbench.probes.profile import measure_profile
from dsbench.probes.retention import measure_retention
from dsbench.probes.sqnr import measure_sqnr
from dsbench.probes.utilisation import measure_utilisation
from dsbench.records import Measurement

RUN: dict[str, Callable[[Prepared, Budget], Measurement]] = {
    "accuracy": measure_accuracy,
    "error": measure_error,
    "energy": measure_energy,
    "leak": measure_leak,
    "load": measure_load,
    "utilisation": measure_utilisation,
    "memory": measure_memory,
    "sqnr": measure_sqnr,
    "profile": measure_profile,
    "retention": measure_retention,
}
"""Every probe that asks a case by itself; `Latency` takes turns with the point's other candidates."""

__all__ = ["RUN", "Budget", "Latency", "Prepared", "Workload"]
