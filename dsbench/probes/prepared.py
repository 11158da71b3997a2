"""A case made ready in the process that measures it: inputs on the device, the right answer beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsbench.backends import Backend
from dsbench.ceilings import Ceilings
from dsbench.records import Case, Measurement, Sample, Scalar, Status, Work
from dsbench.registry import Benchmark, Candidate, resolve

TIMED, BEFORE, AFTER = 0, 1, 2
"""Which inputs: those that are timed, and fresh ones to check the answer before and after timing."""


@dataclass(frozen=True)
class Budget:
    """How long a probe may sample, in seconds, and the relative half-width of the median's interval
    at which it may stop. `once` asks for a single call: the same path, to see whether it works. `graph`
    asks for the time of a replayed device graph, too; `warm_only` for nothing but warm readings."""

    min_time: float = 0.3
    max_time: float = 1.5
    max_noise: float = 0.02
    once: bool = False
    graph: bool = False
    warm_only: bool = False


class Workload:
    """One benchmark at one point: inputs and right answers, made once and shared by its candidates.
    `answered` holds what a probe keeps of one candidate to hold others against, by the candidate's name."""

    def __init__(
        self,
        benchmark: Benchmark,
        case: Case,
        backend: Backend,
        seed: int,
        ceilings: Ceilings | None = None,
    ) -> None:
        self.benchmark = benchmark
        self.point = case.at
        self.backend = backend
        self.seed = seed
        self._ceilings = ceilings
        self.answered: dict[str, Any] = {}
        self._inputs: dict[int, Mapping[str, Any]] = {}
        self._expected: dict[int, Any] = {}
        self._baseline: list[Any] = []

    def work_of(self, case: Case) -> Work:
        """What a case must do, with what the device's ceilings allow it where they are known."""
        work = self.benchmark.work_of(case)
        return self._ceilings.bind(work) if self._ceilings else work

    def inputs(self, which: int) -> Mapping[str, Any]:
        """The keyword arguments of a call; `which` chooses among sets made from different seeds."""
        if which not in self._inputs:
            seed = self.seed + which
            self.backend.prepare(seed)
            self._inputs[which] = self.benchmark.inputs(**self.point, device=self.backend.device, seed=seed)
        return self._inputs[which]

    def forget(self) -> None:
        """Drops inputs and right answers, which are made anew, and the same, when they are asked for."""
        self._inputs.clear()
        self._expected.clear()
        self._baseline.clear()

    def expected(self, which: int) -> Any:
        """The oracle's answer to `inputs(which)`."""
        if which not in self._expected:
            assert self.benchmark.oracle is not None  # callers ask only when there is one
            self._expected[which] = resolve(self.benchmark.oracle)(**self.inputs(which))
        return self._expected[which]

    def baseline(self) -> Any:
        """What the benchmark's baseline answers to the timed inputs, for candidates to be held against."""
        if not self._baseline:
            function = resolve(self.benchmark.candidates[self.benchmark.baseline].function)
            self._baseline.append(function(**self.inputs(TIMED)))
        return self._baseline[0]

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
    """A case ready to be probed in one round; `traces` is a folder for what its profile leaves, if any."""

    case: Case
    workload: Workload
    round: int
    function: Callable[..., Any]
    traces: Path | None = None
    _answers: dict[int, Answer] = field(default_factory=dict)
    _first: list[float] = field(default_factory=list)
    _timed: dict[str, Any] = field(default_factory=dict)
    _before: list[Any] = field(default_factory=list)

    @property
    def backend(self) -> Backend:
        return self.workload.backend

    @property
    def declared(self) -> Candidate:
        """What the benchmark says of this candidate."""
        return self.workload.benchmark.candidates[self.case.candidate]

    @property
    def call(self) -> Callable[[], Any]:
        """The call that is timed, its inputs bound."""
        inputs, function = self.inputs(TIMED), self.function
        return lambda: function(**inputs)

    def inputs(self, which: int) -> Mapping[str, Any]:
        """The keyword arguments of this candidate's call: the workload's, or what it prepares of them."""
        if self.declared.prepare is None:
            return self.workload.inputs(which)
        if which != TIMED:  # those are used once
            return self._made(which)
        if not self._timed:
            self._timed.update(self._made(which))
        return self._timed

    def _made(self, which: int) -> Mapping[str, Any]:
        assert self.declared.prepare is not None  # the caller's condition
        made: Mapping[str, Any] = resolve(self.declared.prepare)(**self.workload.inputs(which))
        return made

    def first_call(self) -> float:
        """Seconds of the candidate's first call in this process, which may compile; makes it if need be."""
        if not self._first:
            self._run(self.inputs(TIMED))
        return self._first[0]

    def _run(self, inputs: Mapping[str, Any]) -> Any:
        began = self.backend.now()
        actual = self.function(**inputs)
        if not self._first:
            self.backend.synchronize()
            self._first.append(self.backend.now() - began)
        return actual

    def check(self, which: int) -> Answer:
        """Runs the candidate on one set of inputs, once, and compares its answer."""
        if which not in self._answers:
            self._answers[which] = self._check(which)
        return self._answers[which]

    def _check(self, which: int) -> Answer:
        workload, backend = self.workload, self.backend
        if workload.benchmark.oracle is None:
            return Answer(0.0, 0.0)
        inputs = self.inputs(which)
        untouched = backend.copy(inputs)
        actual = self._run(inputs)
        if not backend.identical(inputs, untouched):
            workload.forget()  # other candidates get the inputs as they were
            return Answer(0.0, 0.0, "the call changed its inputs")
        if problem := self._alias(actual, inputs, which):
            return Answer(0.0, 0.0, problem)
        reference = self.declared.reference
        try:
            error = backend.relative_error(actual, workload.expected(which))
            mismatch = error
            if reference is not None:
                mismatch = backend.relative_error(actual, resolve(reference)(**workload.inputs(which)))
        except ValueError as unlike:
            return Answer(0.0, 0.0, f"the answer cannot be compared: {unlike}")
        # Written so that NaN, which compares false with everything, never passes.
        if not mismatch <= workload.tolerance:
            bound = f"the tolerance {workload.tolerance:.3g}"
            return Answer(error, mismatch, f"relative error {mismatch:.3g} is above {bound}")
        return Answer(error, mismatch)

    def _alias(self, actual: Any, inputs: Mapping[str, Any], which: int) -> str:
        """What else lies in the answer's memory, which a caller would change with it; empty if nothing.

        The first answer is held until the one after timing is there, so that memory that was given back
        and taken again is not mistaken for a buffer that the candidate uses for all its answers.
        """
        buffers = self.backend.buffers
        if buffers(actual) & buffers(inputs):
            return "the answer shares memory with the inputs"
        if which == BEFORE:
            self._before.append(actual)
        elif self._before and buffers(actual) & buffers(self._before.pop()):
            return "the answer lies in the memory of an earlier answer, which it overwrites"
        return ""

    def measurement(
        self,
        probe: str,
        readings: Mapping[str, Sequence[float | Sample]],
        *,
        status: Status = Status.OK,
        reason: str = "",
        notes: Mapping[str, Scalar] | None = None,
    ) -> Measurement:
        """A measurement of this case; readings that are plain numbers become samples of this round."""
        return Measurement(
            self.case,
            probe,
            status,
            reason,
            readings={
                name: tuple(v if isinstance(v, Sample) else Sample(v, self.round) for v in values)
                for name, values in readings.items()
            },
            work=self.workload.work_of(self.case),
            notes=notes or {},
        )

    def failure(self, probe: str, status: Status, reason: str) -> Measurement:
        """A measurement of this case that holds no number, only why."""
        return Measurement(self.case, probe, status, reason)
