"""One side of a pair: a process that has its cases ready and measures one of them for a moment when told.

Two such processes, one a revision, are told in turns by `dsbench.pairs`, so that whatever drifts hits both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

from dsbench.backends import BACKENDS, Backend
from dsbench.metrics import METRICS
from dsbench.probes import RUN, Latency, Prepared, Workload
from dsbench.probes.prepared import AFTER, BEFORE
from dsbench.records import Case, Measurement, Status
from dsbench.registry import Suite, load, resolve
from dsbench.round import Job, Send, failed, too_large

ABSENT = "absent"
"""What is said of a case that a side does not have."""


def take_turns(job: Job, commands: Callable[[], Mapping[str, Any]], send: Send) -> None:
    """Obeys until the parent ends it. One case is held at a time, so that its like on the other side finds
    as much memory as it does.

    To ``{"case": name, "ready": true}`` it answers ``{"type": "start", "case": name}``, makes the case ready
    in place of the one before, and sends ``{"type": "ready", "case", "problem", "status"}``. To any other
    command it answers ``{"type": "turn", "case", "problem", ...}``: to ``{"case", "metric", "seconds": s}``
    with the median ``seconds`` of a call by that metric and its mean processor seconds, ``cpu``; to
    ``{"case", "check": true}`` with what is wrong with the answer; and to ``{"case", "probe": true}`` with
    the ``measurements`` of the deterministic probes.

    Args:
        job: the cases of one suite.
        commands: waits for the next command.
    """
    suite = load(job.suite)
    backend = BACKENDS[job.backend](job.index)
    cases = {case.name: case for case in job.cases}
    held: Latency | None = None
    while True:
        command = commands()
        case = cases[command["case"]]
        if command.get("ready"):
            send({"type": "start", "case": case.name})
            held = None
            backend.release()
            found = _made_ready(case, suite, job, backend)
            held, (status, problem) = (found, ("ok", "")) if isinstance(found, Latency) else (None, found)
            send({"type": "ready", "case": case.name, "problem": problem, "status": status})
        else:
            assert held is not None  # the parent asks only what was made ready
            send({"type": "turn", "case": case.name, **_obey(command, held)})


def _made_ready(case: Case, suite: Suite, job: Job, backend: Backend) -> Latency | tuple[str, str]:
    """The case warmed up, or the status and the reason of one that cannot be."""
    try:
        return _prepare(case, suite, job, backend)
    except Exception as error:
        told = failed(case, "latency", error, backend)
        return told.status.value, told.reason


def _prepare(case: Case, suite: Suite, job: Job, backend: Backend) -> Latency | tuple[str, str]:
    """The case warmed up, or what it is instead."""
    if suite.error:
        return Status.ERROR.value, f"suite {suite.name}: {suite.error}"
    declared = suite.benchmarks.get(case.benchmark)
    candidate = declared.candidates.get(case.candidate) if declared else None
    if declared is None or candidate is None:
        return ABSENT, "this side has no such case"
    seed = job.seed + 3 * job.round  # every pair draws other inputs, as every round of a run does
    backend.prepare(seed)
    if reason := too_large(case, declared, backend):
        return Status.UNSUPPORTED.value, reason
    workload = Workload(declared, case, backend, seed)
    prepared = Prepared(case, workload, job.round, resolve(candidate.function))
    if problem := prepared.check(BEFORE).problem:
        return Status.WRONG.value, problem
    return Latency(prepared, job.budget)


def _obey(command: Mapping[str, Any], timing: Latency) -> dict[str, Any]:
    prepared = timing.prepared
    try:
        if command.get("check"):
            return {"problem": prepared.check(AFTER).problem}
        if command.get("probe"):
            return {"problem": "", "measurements": [row.to_json() for row in _probe(timing)]}
        prepared.backend.prepare(prepared.workload.seed)
        began = time.process_time()
        readings, calls = timing.sample(command["metric"], command["seconds"])
        cpu = (time.process_time() - began) / calls
        return {"problem": "", "seconds": median(readings), "cpu": cpu}
    except Exception as error:
        return {"problem": failed(prepared.case, "latency", error, prepared.backend).reason}


def _probe(timing: Latency) -> Iterator[Measurement]:
    """What the case's deterministic probes say, those whose metrics are judged by a tolerance."""
    prepared = timing.prepared
    exact = {metric.probe for metric in METRICS.values() if metric.tolerance is not None}
    for name in prepared.workload.benchmark.asked():
        if name in exact:
            try:
                prepared.backend.prepare(prepared.workload.seed)
                yield RUN[name](prepared, timing.budget)
            except Exception as error:
                yield failed(prepared.case, name, error, prepared.backend)
            prepared.backend.release()
