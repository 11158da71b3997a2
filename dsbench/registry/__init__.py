"""What there is to measure: suites declare benchmarks, which are found and expanded to cases."""

from __future__ import annotations

from dsbench.registry.declaring import (
    Axis,
    Benchmark,
    Candidate,
    DeclarationError,
    Function,
    benchmark,
    resolve,
)
from dsbench.registry.finding import Suite, builtin_suites, cases, discover, load, select
from dsbench.registry.words import nearest

__all__ = [
    "Axis",
    "Benchmark",
    "Candidate",
    "DeclarationError",
    "Function",
    "Suite",
    "benchmark",
    "builtin_suites",
    "cases",
    "discover",
    "load",
    "nearest",
    "resolve",
    "select",
]
