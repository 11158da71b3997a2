"""What there is to measure: suites declare benchmarks, and this module finds and expands them.

A suite names its candidates as ``"package.module:function"`` so that reading it imports no torch; the
worker resolves the names in the process that measures.
"""

from __future__ import annotations

import difflib
import importlib.util
import itertools
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsbench.metrics import PROBES
from dsbench.records import Case, Scalar, Work

Function = str | Callable[..., Any]
"""A callable, or where to find it: ``"package.module:function"``."""


class DeclarationError(ValueError):
    """A suite declares something that cannot be measured."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known word, or all of them."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(words) or 'none'}"


@dataclass(frozen=True)
class Axis:
    """A parameter and its values: `full`, the fewer of a `quick` run (all of them when empty), and
    the values a backend is limited to where the full ones are out of its reach."""

    full: tuple[Scalar, ...]
    quick: tuple[Scalar, ...] = ()
    limits: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def values(self, backend: str, quick: bool) -> tuple[Scalar, ...]:
        chosen = self.quick if quick and self.quick else self.full
        allowed = self.limits.get(backend, self.full)
        return tuple(value for value in chosen if value in allowed)


@dataclass(frozen=True)
class Candidate:
    """One implementation under measurement; called with the benchmark's inputs as keywords.

    `reference` computes in high precision what this candidate means to compute, when that is not what
    the oracle computes (an approximation); it says whether the code is right, while the oracle says
    how good the approximation is. `memory` gives the bytes a call needs for a point, and `work`
    replaces the benchmark's formula; both take the axes as keywords.
    """

    function: Function
    reference: Function | None = None
    memory: Function | None = None
    work: Function | None = None


@dataclass(frozen=True)
class Benchmark:
    """A workload. `inputs` makes a mapping of keyword arguments from the axes, `device` (a torch
    device string) and `seed`; `tolerance` is the largest relative error of a right answer, by the
    axes; `work` the floating-point operations and bytes of one call, by the axes, and as a third the
    precision of its matrix products where it has a ceiling. A new `version`
    starts a new series and is due when the workload changes."""

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

    def cases(self, backend: str, quick: bool) -> list[Case]:
        """Candidates x points, the points outermost so that candidates meet under like conditions."""
        values = [axis.values(backend, quick) for axis in self.axes.values()]
        points = [
            tuple(zip(self.axes, combination, strict=True)) for combination in itertools.product(*values)
        ]
        return [
            Case(self.suite, self.name, candidate, point, self.version)
            for point in points
            for candidate in self.candidates
        ]

    def asked(self, wanted: Sequence[str] = ()) -> tuple[str, ...]:
        """The probes to run, in the order they run: those it declares, or the `wanted` ones that it has
        what they need for."""
        names = set(wanted or self.probes) - ({"error"} if self.oracle is None else set())
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
) -> Callable[[Callable[..., Mapping[str, Any]]], Benchmark]:
    """Declares a benchmark; decorates the function that makes its inputs, whose name and docstring
    become the benchmark's. See `Benchmark` and `Candidate` for what each argument means.

    Raises:
        DeclarationError: the baseline is no candidate, a probe is unknown or lacks what it needs, or
            an axis has no values.
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
        if "error" in probes and oracle is None:
            raise DeclarationError(f"{name}: the probe 'error' needs an oracle")
        full_axes = {
            axis: values if isinstance(values, Axis) else Axis(tuple(values))
            for axis, values in (axes or {}).items()
        }
        for axis, values in full_axes.items():
            if not values.full:
                raise DeclarationError(f"{name}: axis '{axis}' has no values")
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


@dataclass(frozen=True)
class Suite:
    """A file of declarations; `error` is the message when it could not be imported."""

    name: str
    path: Path
    benchmarks: Mapping[str, Benchmark] = field(default_factory=dict)
    error: str = ""


def builtin_suites() -> Path:
    """Where the built-in suites lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "builtin_suites"
    return installed if installed.is_dir() else package.parent / "suites"


def discover(folder: Path) -> dict[str, Suite]:
    """Imports every suite of a folder, by name; files that begin with an underscore are no suites.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no suite.
    """
    paths = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not paths:
        raise FileNotFoundError(f"no suites in {folder}: a suite is a file such as {folder / 'attention.py'}")
    return {path.stem: load(path) for path in paths}


def load(path: Path) -> Suite:
    """Imports one suite; whatever it raises becomes the suite's error.

    Its folder is put at the end of the import path, so that suites can import what lies beside them.
    """
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"dsbench_suites.{path.stem}", path)
    assert spec is not None  # true of every path that ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        return Suite(path.stem, path, error=f"{type(error).__name__}: {error}")
    found = {value.name: value for value in vars(module).values() if isinstance(value, Benchmark)}
    if not found:
        return Suite(path.stem, path, error="it declares no benchmark (use @benchmark)")
    return Suite(path.stem, path, found)


def cases(suites: Iterable[Suite], backend: str, quick: bool) -> list[Case]:
    """Every case of the suites, in order of declaration."""
    return [
        case
        for suite in suites
        for declared in suite.benchmarks.values()
        for case in declared.cases(backend, quick)
    ]


def select(found: Iterable[Case], filters: Sequence[str] = (), excludes: Sequence[str] = ()) -> list[Case]:
    """The cases whose full name any filter matches (all when there is none) and no exclude does.

    A filter is a regular expression searched in the full name; a part of a name pasted as it stands
    matches too, brackets and all.

    Raises:
        re.error: a filter is not a regular expression.
    """

    def matches(patterns: Sequence[re.Pattern[str]], name: str) -> bool:
        return any(pattern.pattern in name or pattern.search(name) for pattern in patterns)

    wanted, unwanted = [re.compile(f) for f in filters], [re.compile(e) for e in excludes]
    return [
        case
        for case in found
        if (not wanted or matches(wanted, case.name)) and not matches(unwanted, case.name)
    ]
