"""The probe `error`: how far the answer is from the oracle, and from what the candidate means to do."""

from __future__ import annotations

from dsbench.probes.prepared import BEFORE, Budget, Prepared
from dsbench.records import Measurement, Status


def measure_error(prepared: Prepared, budget: Budget) -> Measurement:
    """One reading of each a round, on inputs that are not the timed ones; `wrong` above the tolerance."""
    del budget  # every probe takes one; this one is a single call in any case
    answer = prepared.check(BEFORE)
    if answer.problem:
        return prepared.failure("error", Status.WRONG, answer.problem)
    readings = {"error": [answer.error]}
    if prepared.declared.reference is not None:
        readings["mismatch"] = [answer.mismatch]
    return prepared.measurement("error", readings)
