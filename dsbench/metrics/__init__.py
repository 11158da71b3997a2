"""Numbers with a unit, a direction and a formula, computed from samples."""

from __future__ import annotations

from dsbench.metrics.base import REFERENCE, Metric
from dsbench.metrics.formulas import by_round, numbered
from dsbench.metrics.table import METRICS, PROBES, evaluate

__all__ = ["METRICS", "PROBES", "REFERENCE", "Metric", "by_round", "evaluate", "numbered"]
