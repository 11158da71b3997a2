"""The probe `profile`: which kernels a call spends its time in, by torch's profiler."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from dsbench.backends.profiling import Kernel, Profile
from dsbench.probes.prepared import Budget, Prepared
from dsbench.records import Case, Measurement, Scalar

MOST_CALLS = 10
"""Calls that are profiled: enough to average over, few enough for a viewer to open the trace."""

NAMED = 30
"""Kernels that have readings of their own; the rest is summed."""

OTHER = "other"


def measure_profile(prepared: Prepared, budget: Budget) -> Measurement:
    """Readings in seconds per call: `kernel_time` of all kernels, ``kernel:NAME`` of each of the longest
    and ``kernel:other`` of the rest; and ``launches:NAME``, how often a call launches each.

    The profiler slows the host down, so that none of this is a latency.

    Raises:
        OSError: the trace cannot be written.
    """
    backend, call, calls = prepared.backend, prepared.call, 1
    if not budget.once:
        prepared.first_call()
        seconds = backend.time(call, 1)[0]
        calls = max(1, min(MOST_CALLS, int(budget.max_time / seconds) if seconds > 0 else MOST_CALLS))
    trace = None if prepared.traces is None else trace_path(prepared.traces, prepared.case)
    found = backend.profile(call, calls, trace)
    notes: dict[str, Scalar] = {
        "kind": found.kind,
        "kernels": len(found.kernels),
        "launches": sum(kernel.launches for kernel in found.kernels),
        "profiled_calls": calls,
        **({"fallback": found.fallback} if found.fallback else {}),
        **({"trace": str(trace)} if trace is not None else {}),
    }
    return prepared.measurement("profile", _readings(found), notes=notes)


def trace_path(folder: Path, case: Case) -> Path:
    """Where a case's trace lies; whatever a case is called, its file has a name of its own."""
    safe = re.sub(r"[^\w.,=\[\]-]", "_", case.name, flags=re.ASCII)[:120]
    if safe != case.name:
        safe += "-" + hashlib.sha256(case.name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return folder / f"{safe}.json.gz"


def _readings(found: Profile) -> Mapping[str, list[float]]:
    named, rest = found.kernels[:NAMED], found.kernels[NAMED:]
    shown = list(named)
    if rest:
        shown.append(Kernel(OTHER, sum(k.seconds for k in rest), sum(k.launches for k in rest)))
    return {
        "kernel_time": [sum(kernel.seconds for kernel in found.kernels)],
        **{f"kernel:{kernel.name}": [kernel.seconds] for kernel in shown},
        **{f"launches:{kernel.name}": [kernel.launches] for kernel in shown},
    }
