"""The probe `retention`: what a candidate still gets right of what the benchmark's baseline gets right.

A candidate under this probe answers with a mapping. In it,

- ``choice``, ``target`` and ``loss``, of shape (items, positions), are the answers it gives, the right ones
  and its loss in nats: tokens of documents, or classes of pictures with one position each. They are compared
  with the baseline's item by item, over all positions and over the second half of them;
- ``retrieved``, of shape (prompts, digits), says which digits of a hidden number it found;
- anything else is a list of readings, one an item, and is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dsbench.probes.prepared import Budget, Prepared
from dsbench.records import Measurement, Status

COMPARED = ("choice", "target", "loss")


def measure_retention(prepared: Prepared, budget: Budget) -> Measurement:
    """One reading an item and quantity; `wrong` when an answer is no number or of another shape."""
    del budget  # every item is read once, however long that takes
    workload = prepared.workload
    is_baseline = prepared.case.candidate == workload.benchmark.baseline
    found = workload.baseline() if is_baseline else prepared.call()
    readings = {name: list(found[name]) for name in found if name not in (*COMPARED, "retrieved")}
    if "retrieved" in found:
        readings["passkey"] = np.mean(found["retrieved"], axis=-1).tolist()
    if "choice" in found:
        base = workload.baseline()
        if np.shape(base["choice"]) != np.shape(found["choice"]):
            shapes = f"{np.shape(found['choice'])} and {np.shape(base['choice'])}"
            return prepared.failure("retention", Status.WRONG, f"answers and baseline's differ: {shapes}")
        readings |= _compared(found, base)
    if not np.isfinite([value for values in readings.values() for value in values]).all():
        return prepared.failure("retention", Status.WRONG, "an answer is not a finite number")
    return prepared.measurement("retention", readings)


def _compared(found: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, list[float]]:
    choice, target, loss = (np.asarray(found[name]) for name in COMPARED)
    base_choice, base_loss = np.asarray(base["choice"]), np.asarray(base["loss"])
    readings: dict[str, list[float]] = {}
    for suffix, first in (("", 0), ("_late", choice.shape[1] // 2)):
        late = np.s_[:, first:]
        for name, values in (
            ("loss_added", loss[late] - base_loss[late]),
            ("right", choice[late] == target[late]),
            ("right_baseline", base_choice[late] == target[late]),
            ("agreement", choice[late] == base_choice[late]),
        ):
            readings[name + suffix] = values.mean(-1).tolist()
    return readings
