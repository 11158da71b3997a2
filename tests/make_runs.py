"""Example runs for tests: built from the records alone, the same on every machine.

`example` is a whole run with a bit of everything; `measured` and `failed` make single measurements, and
`a_run` puts any of them into a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dsbench.records import Case, Device, Environment, Measurement, Run, Sample, Scalar, Status, Work

GIB = 2**30
WOBBLE = (1.0, 1.01, 0.995, 1.02, 0.99)
"""What one round's samples are multiplied by: about 1 % of noise."""


def a_case(
    candidate: str = "math", suite: str = "attention", benchmark: str = "prefill", **point: Scalar
) -> Case:
    return Case(suite, benchmark, candidate, tuple(point.items()))


def samples(rounds: Sequence[Sequence[float]], mark: str = "") -> tuple[Sample, ...]:
    """Samples from values by round; `mark` disturbs the first one."""
    taken = [Sample(value, number) for number, values in enumerate(rounds) for value in values]
    return (Sample(taken[0].value, taken[0].round, 1, mark), *taken[1:]) if mark else tuple(taken)


def around(value: float, rounds: int = 3, spread: float = 0.01) -> list[list[float]]:
    """Readings near a value: five a round, each round off by up to `spread`."""
    return [
        [value * (1 + spread * (number - (rounds - 1) / 2)) * wobble for wobble in WOBBLE]
        for number in range(rounds)
    ]


def measured(
    case: Case,
    probe: str,
    readings: Mapping[str, Sequence[Sequence[float]]],
    work: Work = Work(),  # noqa: B008 - a frozen value
    unstable: str = "",
    mark: str = "",
) -> Measurement:
    """A measurement with numbers, by reading and round; `unstable` is the reason why it did not settle."""
    return Measurement(
        case,
        probe,
        Status.UNSTABLE if unstable else Status.OK,
        reason=unstable,
        readings={name: samples(rounds, mark) for name, rounds in readings.items()},
        work=work,
    )


def failed(case: Case, probe: str, status: Status, reason: str, detail: str = "") -> Measurement:
    return Measurement(case, probe, status, reason=reason, detail=detail)


def an_environment(**changes: Any) -> Environment:
    """A made-up machine with a fake accelerator; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "machine": "bench-1",
        "device": Device("fake", "Fake One", driver="550.1", memory=80 * GIB, versions={"fake": "1.0"}),
        "os": "Linux 6.1",
        "cpu": "Example CPU",
        "cores": 16,
        "memory": 128 * GIB,
        "python": "3.12.1",
        "versions": {"torch": "2.13.0", "numpy": "2.1.0"},
        "commit": "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d",
        "commit_time": 1_760_000_000.0,
        "subject": "Skip blocks that hold nothing",
        "dirty": False,
    }
    return Environment(**{**fields, **changes})


def a_run(measurements: Iterable[Measurement], **changes: Any) -> Run:
    """A run of the given measurements that planned exactly them; `changes` replace its fields."""
    found = tuple(measurements)
    fields: dict[str, Any] = {
        "id": "20260131-235959-1a2b3c4d",
        "started": 1_769_903_999.0,
        "ended": 1_769_904_999.0,
        "environment": an_environment(),
        "settings": {"quick": False, "rounds": 3, "seed": 1},
        "planned": tuple(dict.fromkeys(m.case.name for m in found)),
        "baselines": {f"{m.case.suite}.{m.case.benchmark}": "math" for m in found},
        "measurements": found,
    }
    return Run(**{**fields, **changes})


def example(**changes: Any) -> Run:
    """A run of two benchmarks: attention over N and D with four candidates (one too large for the
    memory, one unsupported, one unstable, one wrong), and one without axes that crashed, ran into its
    time-out and raised."""
    found: list[Measurement] = []
    speeds = {"math": 1.0, "flash": 0.31, "block_topk": 0.53}
    errors = {"math": 2.1e-7, "flash": 3.4e-4, "block_topk": 2.7e-2}
    for D in (64, 128):
        for N in (1024, 4096, 16384):
            work = Work(flops=4.0 * N * N * D, bytes=8.0 * N * D)
            for name, speed in speeds.items():
                case = a_case(name, N=N, D=D)
                if name == "math" and (N, D) == (16384, 128):
                    found.append(failed(case, "latency", Status.OOM, "tried to allocate 64.00 GiB of 80 GiB"))
                    continue
                if name == "block_topk" and (N, D) == (1024, 128):
                    reason = "relative error 0.31 is above the tolerance 0.05"
                    found.append(failed(case, "latency", Status.WRONG, reason))
                    found.append(measured(case, "error", {"error": [[0.31]]}))
                    continue
                seconds = speed * (1e-4 + 2e-12 * N * N * D)
                restless = name == "flash" and (N, D) == (4096, 64)
                rounds = around(seconds, spread=0.2 if restless else 0.01)
                found.append(
                    measured(
                        case,
                        "latency",
                        {"latency": rounds, "latency_cold": around(1.1 * seconds)},
                        work,
                        unstable="the interval is still ±52 % after 10 s" if restless else "",
                        mark="clock 1200 of 1980 MHz" if restless else "",
                    )
                )
                found.append(measured(case, "error", {"error": [[errors[name] * (N / 1024) ** 0.5]]}))
                if name == "flash":
                    reason = "this device does not count its memory"
                    found.append(failed(case, "memory", Status.UNSUPPORTED, reason))
                else:
                    size = 4.0 * N * N if name == "math" else 4.0 * N * D
                    found.append(measured(case, "memory", {"peak_memory": [[size]]}))
            case = a_case("fp8", N=N, D=D)
            found.append(failed(case, "latency", Status.UNSUPPORTED, "needs compute capability 8.9, has 8.0"))
    found += [
        measured(a_case("math", "moe", "route"), "latency", {"latency": around(3.2e-6, rounds=1)}),
        failed(a_case("scan", "moe", "route"), "latency", Status.CRASHED, "killed by signal 11 (SIGSEGV)"),
        failed(a_case("sort", "moe", "route"), "latency", Status.TIMEOUT, "no answer within 60 s"),
        failed(
            a_case("loop", "moe", "route"),
            "latency",
            Status.ERROR,
            "RuntimeError: shapes (4, 2) and (3, 2) differ",
            detail="Traceback (most recent call last):\n  ...\nRuntimeError: shapes (4, 2) and (3, 2) differ",
        ),
    ]
    return a_run(found, **changes)


def slowed(text: str, factor: float) -> str:
    """The text of a run's file with its warm latencies multiplied."""
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        for sample in row.get("readings", {}).get("latency", []):
            sample[0] *= factor
    return "".join(json.dumps(row) + "\n" for row in rows)
