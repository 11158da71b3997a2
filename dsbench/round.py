"""One round: cases of a suite, measured in this process, the candidates of a point taking turns."""

from __future__ import annotations

import gc
import os
import random
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from dsbench.backends import BACKENDS, Backend
from dsbench.ceilings import Ceilings
from dsbench.probes import RUN, Budget, Latency, Prepared, Workload
from dsbench.probes.prepared import BEFORE
from dsbench.records import Case, Measurement, Status
from dsbench.registry import Benchmark, load, resolve

Send = Callable[[Mapping[str, Any]], None]


class LostDeviceError(Exception):
    """The device answers no more in this process; a fresh one may."""


@dataclass(frozen=True)
class Job:
    """What to measure in one round: cases of one suite, on one device. `probes` replaces those that
    the benchmarks declare, unless it is empty. `traces` is the folder for traces of profiles, if any."""

    suite: Path
    cases: tuple[Case, ...]
    backend: str
    index: int
    round: int
    seed: int
    budget: Budget
    probes: tuple[str, ...] = ()
    affinity: tuple[int, ...] = ()
    ceilings: Ceilings | None = None
    traces: Path | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "type": "measure",
            "suite": str(self.suite),
            "cases": [case.to_json() for case in self.cases],
            "budget": vars(self.budget),
            "ceilings": self.ceilings.to_json() if self.ceilings else None,
            "traces": str(self.traces) if self.traces else "",
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        return cls(
            suite=Path(data["suite"]),
            cases=tuple(Case.from_json(case) for case in data["cases"]),
            budget=Budget(**data["budget"]),
            probes=tuple(data["probes"]),
            affinity=tuple(data["affinity"]),
            ceilings=Ceilings(**data["ceilings"]) if data["ceilings"] else None,
            traces=Path(data["traces"]) if data["traces"] else None,
            **{key: data[key] for key in ("backend", "index", "round", "seed")},
        )


def measure(job: Job, send: Send) -> None:
    """Measures every case of a job. Messages: ``{"type": "start", "case": name}`` before each case and
    ``{"type": "turn", ...}`` before each of its turns, then a measurement a probe, before which
    ``{"type": "watch", "pid", "identity"}`` asks the parent to look at the device meanwhile."""
    backend = BACKENDS[job.backend](job.index)
    suite = load(job.suite)
    if suite.error:
        raise RuntimeError(f"suite {suite.name}: {suite.error}")
    order = random.Random(job.seed * 1_000_003 + job.round)
    for (name, _), group in groupby(job.cases, key=lambda case: (case.benchmark, case.point)):
        cases = list(group)
        order.shuffle(cases)
        # Every round draws other inputs; three seeds apart, because a workload uses three.
        seed = job.seed + 3 * job.round
        point = Point(job, suite.benchmarks[name], backend, order, send)
        point.measure(cases, Workload(suite.benchmarks[name], cases[0], backend, seed, job.ceilings))


@dataclass(frozen=True)
class Point:
    """One benchmark at one point, whose candidates are measured side by side."""

    job: Job
    benchmark: Benchmark
    backend: Backend
    order: random.Random
    send: Send

    @property
    def probes(self) -> tuple[str, ...]:
        """The probes that were asked for, in the order they run."""
        return self.benchmark.asked(self.job.probes)

    def measure(self, cases: list[Case], workload: Workload) -> None:
        """Every candidate is checked, those that are right are timed in turns, and then each is asked
        the rest. One that is wrong, or cannot run at all, has the same status for every probe."""
        ready = [prepared for case in cases if (prepared := self._check(case, workload))]
        if "latency" in self.probes:
            self._take_turns(ready)
        for prepared in ready:
            for name in self.probes:
                if name in RUN and name != "error":
                    self._ask(prepared, name)

    def _check(self, case: Case, workload: Workload) -> Prepared | None:
        """The case made ready, None when it cannot be measured."""
        self.send({"type": "start", "case": case.name})
        function = self.benchmark.candidates[case.candidate].function
        try:
            self.backend.prepare(self.job.seed)
            if reason := too_large(case, self.benchmark, self.backend):
                self._fail(case, Status.UNSUPPORTED, reason)
                return None
            prepared = Prepared(case, workload, self.job.round, resolve(function), self.job.traces)
            if problem := prepared.check(BEFORE).problem:
                self._fail(case, Status.WRONG, problem)
                return None
        except Exception as error:
            for name in self.probes:
                self._failed(case, name, error)
            return None
        if "error" in self.probes:
            self._ask(prepared, "error")
        # What compiling has left behind is not looked through again at every collection to come.
        gc.freeze()
        return prepared

    def _take_turns(self, ready: list[Prepared]) -> None:
        """Times the candidates in turns, in an order drawn anew each time, so that drift hits all alike."""
        timed: dict[Case, Latency] = {}
        for prepared in ready:
            self._turn(prepared.case)
            try:
                timed[prepared.case] = Latency(prepared, self.job.budget)
            except Exception as error:
                self._failed(prepared.case, "latency", error)
        while timed:
            for case in self.order.sample(list(timed), len(timed)):
                self._turn(case)
                try:
                    timed[case].turn()
                    if timed[case].done:
                        self.send(timed.pop(case).measurement().to_json())
                except Exception as error:
                    timed.pop(case, None)
                    self._failed(case, "latency", error)
        self.backend.release()

    def _turn(self, case: Case) -> None:
        self.send({"type": "turn", "case": case.name})
        self.backend.prepare(self.job.seed)  # another candidate may have changed what holds for all

    def _ask(self, prepared: Prepared, name: str) -> None:
        self._turn(prepared.case)
        try:
            if name == "utilisation":
                self.send({"type": "watch", "pid": os.getpid(), "identity": self.backend.identity()})
            self.send(RUN[name](prepared, self.job.budget).to_json())
        except Exception as error:
            self._failed(prepared.case, name, error)
        self.backend.release()

    def _fail(self, case: Case, status: Status, reason: str) -> None:
        for name in self.probes:
            self.send(Measurement(case, name, status, reason).to_json())

    def _failed(self, case: Case, name: str, error: Exception) -> None:
        """Sends what an exception becomes; ends the process when it has taken the device with it, as a
        fault inside a kernel does."""
        self.send(failed(case, name, error, self.backend).to_json())
        try:
            self.backend.synchronize()
        except Exception as second:
            raise LostDeviceError(f"the device answers no more: {second}") from error


def too_large(case: Case, declared: Benchmark, backend: Backend) -> str:
    """Why a case cannot fit by its candidate's own memory formula; empty when it can."""
    formula = declared.candidates[case.candidate].memory
    free = backend.free_memory()
    if formula is None or free is None:
        return ""
    needed = float(resolve(formula)(**case.at))
    gib = 2**30
    if needed <= free:
        return ""
    return f"needs {needed / gib:.1f} GiB by its formula, {free / gib:.1f} GiB are free on {backend.device}"


def failed(case: Case, name: str, error: Exception, backend: Backend) -> Measurement:
    """The measurement that an exception becomes."""
    status = backend.status_of(error)
    text = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    if status is Status.UNSUPPORTED:
        reason = text[0] if text else reason
    detail = "" if status is Status.UNSUPPORTED else "".join(traceback.format_exception(error))[-4000:]
    return Measurement(case, name, status, reason[:500], detail=detail)
