"""How a suite declares a benchmark.

A suite names its candidates as ``"package.module:function"`` so that reading it imports no torch; the
worker resolves the names in the process that measures.
"""

from __future__ import annotations

import itertools
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsbench.metrics import PROBES
from dsbench.records import Case, Scalar, Work
from dsbench.registry.words import nearest

Function = str | Callable[..., Any]
"""A callable, or where to find it: ``"package.module:function"``."""


LEAK_BUDGET = 256.0
"""Bytes that a process may hold more after every call: what Python and torch keep of themselves now and
then is less, and a leak worth a page a dozen calls is more."""


class DeclarationError(ValueError):
    """A suite declares something that cannot be measured."""


@dataclass(frozen=True)
class Axis:
    """A parameter and its values: `full`, those of a `quick` run (the full ones when empty), and the
    values a backend is limited to where the others are out of its reach."""

    full: tuple[Scalar, ...]
    quick: tuple[Scalar, ...] = ()
    limits: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def values(self, backend: str, quick: bool) -> tuple[Scalar, ...]:
        chosen = self.quick if quick and self.quick else self.full
        allowed = self.limits.get(backend, chosen)
        return tuple(value for value in chosen if value in allowed)


@dataclass(frozen=True)
class Candidate:
    """One implementation under measurement; called with the benchmark's inputs as keywords.

    `reference` computes in high precision what this candidate means to compute, when that is not what
    the oracle computes (an approximation); it says whether the code is right, while the oracle says
    how good the approximation is. `prepare` makes of the inputs what the function is called with instead,
    before anything is timed: weights in the candidate's own format, say. `memory` gives the bytes a call
    needs for a point, and `work` replaces the benchmark's formula; both take the axes as keywords. A
    `quick` run leaves out a candidate that is not `quick`. `leaks` is for a control: the bytes that it keeps
    a call, which the probe `leak` has to find.
    """

    function: Function
    reference: Function | None = None
    prepare: Function | None = None
    memory: Function | None = None
    work: Function | None = None
    quick: bool = True
    leaks: float = 0.0


@dataclass(frozen=True)
class Benchmark:
    """A workload. `inputs` makes a mapping of keyword arguments from the axes, `device` (a torch
    device string) and `seed`; `tolerance` is the largest relative error of a right answer, by the
    axes; `work` the floating-point operations and bytes of one call, by the axes, and as a third the
    precision of its matrix products where it has a ceiling; `where` says by the axes which
    points make sense, all of them when it is None; `leak_budget` the bytes that a process may hold more
    after every call. A benchmark measured `once` gives the same in every round, because it draws nothing and
    times nothing, and is left out of all but the first. A new `version` starts a new series and is due when
    the workload changes."""

    suite: str
    name: str
    description: str
    inputs: Callable[..., Mapping[str, Any]]
    candidates: Mapping[str, Candidate]
    baseline: str
    oracle: Function | None = None
    axes: Mapping[str, Axis] = field(default_factory=dict)
    probes: tuple[str, ...] = ("latency",)
    work: Function | None = None
    tolerance: Function | float = 1e-5
    version: int = 1
    where: Callable[..., bool] | None = None
    leak_budget: float = LEAK_BUDGET
    once: bool = False

    def cases(self, backend: str, quick: bool) -> list[Case]:
        """Candidates x points, the points outermost so that candidates meet under like conditions."""
        values = [axis.values(backend, quick) for axis in self.axes.values()]
        points = [
            tuple(zip(self.axes, combination, strict=True)) for combination in itertools.product(*values)
        ]
        if self.where is not None:
            points = [point for point in points if self.where(**dict(point))]
        return [
            Case(self.suite, self.name, candidate, point, self.version)
            for point in points
            for candidate, declared in self.candidates.items()
            if declared.quick or not quick
        ]

    def asked(self, wanted: Sequence[str] = ()) -> tuple[str, ...]:
        """The probes to run, in the order they run: those it declares, or the `wanted` ones that it has
        what they need for."""
        names = set(wanted or self.probes) - ({"error", "sqnr"} if self.oracle is None else set())
        names -= {"accuracy", "load", "retention"} - set(self.probes)  # their candidates are written for them
        return tuple(name for name in PROBES if name in names)

    def work_of(self, case: Case) -> Work:
        """The work formula for a case; nothing known gives an empty `Work`."""
        formula = self.candidates[case.candidate].work or self.work
        return Work() if formula is None else Work(*resolve(formula)(**case.at))


def benchmark(
    *,
    candidates: Mapping[str, Candidate | Function],
    baseline: str,
    oracle: Function | None = None,
    axes: Mapping[str, Axis | Sequence[Scalar]] | None = None,
    probes: Sequence[str] = ("latency",),
    work: Function | None = None,
    tolerance: Function | float = 1e-5,
    version: int = 1,
    where: Callable[..., bool] | None = None,
    leak_budget: float = LEAK_BUDGET,
    once: bool = False,
) -> Callable[[Callable[..., Mapping[str, Any]]], Benchmark]:
    """Declares a benchmark; decorates the function that makes its inputs, whose name and docstring
    become the benchmark's. See `Benchmark` and `Candidate` for what each argument means.

    Raises:
        DeclarationError: the baseline is no candidate, a probe is unknown or lacks what it needs, or
            an axis has no values or a name that is taken, or `where` leaves no point.
        Exception: whatever `where` raises.
    """

    def declare(inputs: Callable[..., Mapping[str, Any]]) -> Benchmark:
        name = inputs.__name__
        if baseline not in candidates:
            raise DeclarationError(
                f"{name}: baseline '{baseline}' is no candidate; {nearest(baseline, candidates)}"
            )
        for probe in probes:
            if probe not in PROBES:
                raise DeclarationError(f"{name}: unknown probe '{probe}'; {nearest(probe, PROBES)}")
        for probe in {"error", "sqnr"}.intersection(probes):
            if oracle is None:
                raise DeclarationError(f"{name}: the probe '{probe}' needs an oracle")
        full_axes = {
            axis: values if isinstance(values, Axis) else Axis(tuple(values))
            for axis, values in (axes or {}).items()
        }
        for axis, values in full_axes.items():
            if not values.full:
                raise DeclarationError(f"{name}: axis '{axis}' has no values")
            if axis in ("device", "seed", "candidate"):
                raise DeclarationError(
                    f"{name}: an axis cannot be named '{axis}', which means something else"
                )
        points = (
            dict(zip(full_axes, combination, strict=True))
            for combination in itertools.product(*(values.full for values in full_axes.values()))
        )
        if where is not None and sum(bool(where(**point)) for point in points) == 0:
            raise DeclarationError(f"{name}: 'where' leaves no point of the axes")
        return Benchmark(
            suite=inputs.__module__.rpartition(".")[2],
            name=name,
            description=(inputs.__doc__ or "").strip(),
            inputs=inputs,
            candidates={
                key: value if isinstance(value, Candidate) else Candidate(value)
                for key, value in candidates.items()
            },
            baseline=baseline,
            oracle=oracle,
            axes=full_axes,
            probes=tuple(probes),
            work=work,
            tolerance=tolerance,
            version=version,
            where=where,
            leak_budget=leak_budget,
            once=once,
        )

    return declare


def resolve(function: Function) -> Callable[..., Any]:
    """The callable behind a name such as ``"reference_models.attention.dense:attention"``.

    Raises:
        ImportError, AttributeError: there is no such module or function.
    """
    found = pkgutil.resolve_name(function) if isinstance(function, str) else function
    if not callable(found):
        raise DeclarationError(f"{function!r} is not callable")
    return found
