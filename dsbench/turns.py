"""One side of a pair: a process that has its cases ready and measures one of them for a moment when told.

Two such processes, one a revision, are told in turns by `dsbench.pairs`, so that whatever drifts hits both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

from dsbench.backends import BACKENDS
from dsbench.metrics import METRICS
from dsbench.probes import RUN, Latency, Prepared, Workload
from dsbench.probes.prepared import AFTER, BEFORE
from dsbench.records import Case, Measurement, Status
from dsbench.registry import Suite, load, resolve
from dsbench.round import Job, Send, failed, too_large

ABSENT = "absent"
"""What is said of a case that a side does not have."""


def take_turns(job: Job, commands: Callable[[], Mapping[str, Any]], send: Send) -> None:
    """Makes every case ready, then obeys until it is told to stop.

    Messages: ``{"type": "start", "case": name}`` before a case is made ready and ``{"type": "ready",
    "case", "problem", "status"}`` after it; ``{"type": "waiting"}`` when all are; then for each command
    ``{"case": name, "metric": m, "seconds": s}`` a ``{"type": "turn", "case", "seconds", "cpu", "problem"}``
    with the median by that metric and the mean processor seconds of a call, with the problem alone when the
    command was ``{"case": name, "check": true}``, or with the ``measurements`` of the deterministic probes
    when it was ``{"case": name, "probe": true}``. It goes on until the parent ends it.

    Args:
        job: the cases of one suite.
        commands: waits for the next command.
    """
    suite = load(job.suite)
    backend = BACKENDS[job.backend](job.index)
    ready: dict[str, Latency] = {}
    for case in job.cases:
        send({"type": "start", "case": case.name})
        status, problem = Status.OK.value, ""
        try:
            found = _prepare(case, suite, job)
            if isinstance(found, Latency):
                ready[case.name] = found
            else:
                status, problem = found
        except Exception as error:
            told = failed(case, "latency", error, backend)
            status, problem = told.status.value, told.reason
        send({"type": "ready", "case": case.name, "problem": problem, "status": status})
    send({"type": "waiting"})
    while True:
        command = commands()
        send({"type": "turn", "case": command["case"], **_obey(command, ready[command["case"]])})


def _prepare(case: Case, suite: Suite, job: Job) -> Latency | tuple[str, str]:
    """The case warmed up, or what it is instead."""
    if suite.error:
        return Status.ERROR.value, f"suite {suite.name}: {suite.error}"
    declared = suite.benchmarks.get(case.benchmark)
    candidate = declared.candidates.get(case.candidate) if declared else None
    if declared is None or candidate is None:
        return ABSENT, "this side has no such case"
    backend = BACKENDS[job.backend](job.index)
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
