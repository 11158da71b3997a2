"""The child process: takes one job on stdin, sends one JSON line a message on a pipe of its own.

Run as ``python -m dsbench.worker FD``. What candidates print goes to stderr, never into the messages.
When the parent dies, stdin closes and the worker ends itself and everything it started.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from dsbench.backends import AUTOMATIC, BACKENDS, Backend
from dsbench.environment import capture
from dsbench.probes import RUN, Budget, Prepared, Workload
from dsbench.probes.prepared import BEFORE
from dsbench.records import Case, Measurement, Status, dump
from dsbench.registry import Benchmark, load, resolve

Send = Callable[[Mapping[str, Any]], None]


class LostDeviceError(Exception):
    """The device answers no more in this process; a fresh one may."""


def describe(job: Mapping[str, Any], send: Send) -> None:
    """Answers which backends are here and, for the one asked for, its environment.

    Messages: ``{"type": "availability", ...}`` a backend, then ``{"type": "environment", ...}`` if it
    can be used.
    """
    wanted = job["backend"]
    names = list(BACKENDS) if wanted == "all" else list(AUTOMATIC) if wanted == "auto" else [wanted]
    usable = []
    for name in names:
        found = BACKENDS[name].availability()
        send({"type": "availability", "backend": name, "devices": found.devices, "reason": found.reason})
        usable += [name] if found.usable else []
    chosen = next((name for name in AUTOMATIC if name in usable), None) if wanted != "fake" else wanted
    if chosen and job["index"] < len(BACKENDS[chosen].availability().devices):
        environment = capture(BACKENDS[chosen](job["index"]), job["machine"], Path(job["results"]))
        send({"type": "environment", "environment": environment.to_json()})


@dataclass(frozen=True)
class Job:
    """What to measure in one round: cases of one benchmark, on one device."""

    suite: Path
    benchmark: str
    cases: tuple[Case, ...]
    backend: str
    index: int
    round: int
    seed: int
    budget: Budget

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "type": "measure",
            "suite": str(self.suite),
            "cases": [case.to_json() for case in self.cases],
            "budget": vars(self.budget),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        return cls(
            suite=Path(data["suite"]),
            cases=tuple(Case.from_json(case) for case in data["cases"]),
            budget=Budget(**data["budget"]),
            **{key: data[key] for key in ("benchmark", "backend", "index", "round", "seed")},
        )


def measure(job: Job, send: Send) -> None:
    """Measures every case of a job, a message before each (``start``) and one a probe.

    Candidates of a point run in random order, seeded, so that none always comes first.
    """
    suite = load(job.suite)
    if suite.error:
        raise RuntimeError(f"suite {suite.name}: {suite.error}")
    declared = suite.benchmarks[job.benchmark]
    backend = BACKENDS[job.backend](job.index)
    order = random.Random(job.seed * 1_000_003 + job.round)
    for _, group in groupby(job.cases, key=lambda case: case.point):
        cases = list(group)
        order.shuffle(cases)
        # Every round draws other inputs; three seeds apart, because a workload uses three.
        workload = Workload(declared, cases[0], backend, seed=job.seed + 3 * job.round)
        for case in cases:
            send({"type": "start", "case": case.name})
            backend.prepare(job.seed)  # a candidate may have changed what holds for the whole process
            for measurement in probe(case, workload, job):
                send(measurement.to_json())
            gc.collect()
            backend.release()


def probe(case: Case, workload: Workload, job: Job) -> Iterator[Measurement]:
    """One measurement a probe of the case, whatever happens; a case whose answer is wrong, or that
    cannot run at all, has the same status for each."""
    declared, backend = workload.benchmark, workload.backend
    probes = [name for name in RUN if name in declared.probes]
    try:
        reason = too_large(case, declared, backend)
        if reason:
            yield from (Measurement(case, name, Status.UNSUPPORTED, reason) for name in probes)
            return
        prepared = Prepared(case, workload, job.round, resolve(declared.candidates[case.candidate].function))
        answer = prepared.check(BEFORE)
        if answer.problem:
            yield from (prepared.failure(name, Status.WRONG, answer.problem) for name in probes)
            return
    except Exception as error:
        yield from (failed(case, name, error, backend) for name in probes)
        lost(backend, error)
        return
    for name in probes:
        try:
            yield RUN[name](prepared, job.budget)
        except Exception as error:
            yield failed(case, name, error, backend)
            lost(backend, error)


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


def lost(backend: Backend, error: Exception) -> None:
    """Ends the process when an error has taken the device with it, as a fault inside a kernel does."""
    try:
        backend.synchronize()
    except Exception as second:
        raise LostDeviceError(f"the device answers no more: {second}") from error


def end_with_parent() -> None:
    """Kills this process and all it started once stdin closes, which it does when the parent dies."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Reads the job and carries it out."""
    messages = int(sys.argv[1])
    os.set_inheritable(messages, False)
    os.dup2(2, 1)

    def send(row: Mapping[str, Any]) -> None:
        line = (dump(row) + "\n").encode()
        while line:
            line = line[os.write(messages, line) :]

    job = json.loads(sys.stdin.buffer.readline())
    end_with_parent()
    action = partial(describe, job) if job["type"] == "describe" else partial(measure, Job.from_json(job))
    action(send)
    send({"type": "done"})
    # Leaving at once spares the interpreter's tear-down, which some device libraries crash in.
    os._exit(0)


if __name__ == "__main__":
    main()
