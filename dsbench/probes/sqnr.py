"""The probe `sqnr`: the error as those who quantise state it, in decibels."""

from __future__ import annotations

import math

from dsbench.probes.prepared import BEFORE, Budget, Prepared
from dsbench.records import Measurement, Status


def measure_sqnr(prepared: Prepared, budget: Budget) -> Measurement:
    """One reading a round: the oracle's power over that of what the answer differs by, from the same call
    as `error`. An answer that differs by nothing has none."""
    del budget  # no further call is made
    error = prepared.check(BEFORE).error
    if not 0 < error < math.inf:
        why = f"the relative error is {error:g}, which no number of decibels states"
        return prepared.failure("sqnr", Status.UNSUPPORTED, why)
    return prepared.measurement("sqnr", {"sqnr": [-20 * math.log10(error)]})
