"""A case made ready in the process that measures it: inputs on the device, the right answer beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsbench.backends import Backend
from dsbench.records import Case, Measurement, Sample, Scalar, Status
from dsbench.registry import Benchmark, resolve

TIMED, BEFORE, AFTER = 0, 1, 2
"""Which inputs: those that are timed, and fresh ones to check the answer before and after timing."""


@dataclass(frozen=True)
class Budget:
    """How long a probe may sample, in seconds, and the relative half-width of the median's interval
    at which it may stop. `once` asks for a single call: the same path, to see whether it works."""

    min_time: float = 0.3
    max_time: float = 1.5
    max_noise: float = 0.02
    once: bool = False


class Workload:
    """One benchmark at one point: inputs and right answers, made once and shared by its candidates."""

    def __init__(self, benchmark: Benchmark, case: Case, backend: Backend, seed: int) -> None:
        self.benchmark = benchmark
        self.point = case.at
        self.backend = backend
        self.seed = seed
        self._inputs: dict[int, Mapping[str, Any]] = {}
        self._expected: dict[int, Any] = {}

    def inputs(self, which: int) -> Mapping[str, Any]:
        """The keyword arguments of a call; `which` chooses among sets made from different seeds."""
        if which not in self._inputs:
            seed = self.seed + which
            self.backend.prepare(seed)
            self._inputs[which] = self.benchmark.inputs(**self.point, device=self.backend.device, seed=seed)
        return self._inputs[which]

    def expected(self, which: int) -> Any:
        """The oracle's answer to `inputs(which)`."""
        if which not in self._expected:
            assert self.benchmark.oracle is not None  # callers ask only when there is one
            self._expected[which] = resolve(self.benchmark.oracle)(**self.inputs(which))
        return self._expected[which]

    @property
    def tolerance(self) -> float:
        """The largest relative error of a right answer at this point."""
        bound = self.benchmark.tolerance
        return float(bound if isinstance(bound, (int, float)) else resolve(bound)(**self.point))


@dataclass(frozen=True)
class Answer:
    """How far a candidate's answer was from the oracle and from its own reference, relative to their
    norms, and what is wrong with it, empty when it is right."""

    error: float
    mismatch: float
    problem: str = ""


@dataclass(frozen=True)
class Prepared:
    """A case ready to be probed in one round."""

    case: Case
    workload: Workload
    round: int
    function: Callable[..., Any]
    _answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def backend(self) -> Backend:
        return self.workload.backend

    @property
    def call(self) -> Callable[[], Any]:
        """The call that is timed, its inputs bound."""
        inputs, function = self.workload.inputs(TIMED), self.function
        return lambda: function(**inputs)

    def check(self, which: int) -> Answer:
        """Runs the candidate on one set of inputs, once, and compares its answer."""
        if which not in self._answers:
            self._answers[which] = self._check(which)
        return self._answers[which]

    def _check(self, which: int) -> Answer:
        workload, backend = self.workload, self.backend
        if workload.benchmark.oracle is None:
            return Answer(0.0, 0.0)
        inputs = workload.inputs(which)
        untouched = backend.copy(inputs)
        actual = self.function(**inputs)
        if not backend.identical(inputs, untouched):
            return Answer(0.0, 0.0, "the call changed its inputs")
        reference = workload.benchmark.candidates[self.case.candidate].reference
        try:
            error = backend.relative_error(actual, workload.expected(which))
            mismatch = error
            if reference is not None:
                mismatch = backend.relative_error(actual, resolve(reference)(**inputs))
        except ValueError as unlike:
            return Answer(0.0, 0.0, f"the answer cannot be compared: {unlike}")
        # Written so that NaN, which compares false with everything, never passes.
        if not mismatch <= workload.tolerance:
            bound = f"the tolerance {workload.tolerance:.3g}"
            return Answer(error, mismatch, f"relative error {mismatch:.3g} is above {bound}")
        return Answer(error, mismatch)

    def measurement(
        self,
        probe: str,
        readings: Mapping[str, list[float]],
        *,
        calls: int = 1,
        status: Status = Status.OK,
        reason: str = "",
        notes: Mapping[str, Scalar] | None = None,
    ) -> Measurement:
        """A measurement of this case, its readings made samples of this round."""
        return Measurement(
            self.case,
            probe,
            status,
            reason,
            readings={
                name: tuple(Sample(value, self.round, calls) for value in values)
                for name, values in readings.items()
            },
            work=self.workload.benchmark.work_of(self.case),
            notes=notes or {},
        )

    def failure(self, probe: str, status: Status, reason: str) -> Measurement:
        """A measurement of this case that holds no number, only why."""
        return Measurement(self.case, probe, status, reason)
