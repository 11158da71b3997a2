"""A recorded history for tests of the dashboard: two machines, a step, failures, a leak, a load, hostile
names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from make_runs import a_case, a_run, an_environment, around, failed, measured
from report_rigs import HOSTILE

from dsbench.metrics import METRICS, Metric
from dsbench.records import Case, Device, Measurement, Run, Status, Work
from dsbench.stats.intervals import Estimate

FIRST = 1_760_000_000.0
COMMITS = 8
WRITABLE = [text for text in HOSTILE if not any("\ud800" <= letter <= "\udfff" for letter in text)]
"""Hostile texts that a file in UTF-8 can hold."""


def _as_read(_: Measurement, samples: tuple[object, ...]) -> Estimate:
    return Estimate(samples[0].value)  # type: ignore[attr-defined]


def _more(name: str, unit: str, probe: str) -> Metric:
    return Metric(name, unit, "lower", probe, name, _as_read, meaning=f"{name} for tests", tolerance=0.1)


MORE = {
    **METRICS,
    "leak_slope": _more("leak_slope", "B/step", "leak"),
    "latency_p50": _more("latency_p50", "s", "load"),
    "latency_p99": _more("latency_p99", "s", "load"),
}
"""Metrics with those of probes that a suite may have."""


def commit(number: int) -> str:
    """A made-up commit whose beginning tells its number."""
    return f"{number:04x}{'c0ffee' * 6}"


def environment(number: int, machine: str, **changes: object) -> object:
    """An environment whose driver changed at the fifth commit."""
    driver = "550.1" if number < 5 else "580.2"
    device = Device("fake", "Fake One", driver=driver, versions={"fake": "1.0"})
    fields = {"machine": machine, "device": device, "commit": commit(number), "subject": f"Change {number}"}
    return an_environment(**{**fields, "commit_time": FIRST + 86400 * number, **changes})


def a_night(
    number: int, machine: str = "m1", *, factor: float = 1.0, extra: Iterable[Measurement] = ()
) -> Run:
    """What a machine measured at one commit: three candidates at two lengths."""
    found: list[Measurement] = []
    for N in (1024, 4096):
        work = Work(flops=4.0 * N * N * 64, bytes=8.0 * N * 64, dtype="float32", floor=1e-5, bound="compute")
        for name, seconds, error in (("math", 1e-3, 2e-7), ("flash", 3e-4, 1e-3), ("topk", 2e-4, 5e-2)):
            case = a_case(name, N=N)
            size = seconds * (N / 1024) * (factor if name == "flash" else 1.0)
            found.append(
                measured(case, "latency", {"latency": around(size)}, work, mark="waited 3 % of the time")
            )
            found.append(measured(case, "error", {"error": [[error]]}))
            found.append(measured(case, "memory", {"peak_memory": [[4.0 * N * N]]}))
    return a_run(
        (*found, *extra),
        id=f"{machine}-{number}",
        started=FIRST + 86400 * number + 600,
        ended=FIRST + 86400 * number + 900,
        environment=environment(number, machine),
        settings={"rounds": 3, "seed": 1, "filters": [], "excludes": [], "ceilings": CEILINGS},
    )


CEILINGS = {"device": "Fake One", "flops": {"float32": 1e13}, "bandwidth": 1e12}


def put(run: Run, results: Path) -> Path:
    """Writes a run's side-car where `record` would."""
    where = run.environment
    path = results / where.machine / f"{(where.commit or '')[:8]}-{where.name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in run.lines()), encoding="utf-8")
    return path


def of_other_probes() -> list[Measurement]:
    """A leak with the line that it was allocated at, and a policy's latency at three rates."""
    leak = measured(
        a_case("list", "memory", "step"),
        "leak",
        {"leak_slope": [[4096.0]], "leak_low": [[4090.0]], "leak_high": [[4100.0]]},
    )
    leak = replace(leak, notes={"verdict": "leak", "budget": 64.0, "steps": 320, "leak_at_1": "model.py:12"})
    loads = [
        replace(
            measured(
                a_case(policy, "batching", "serve", rate=rate),
                "load",
                {"latency_p50": [[0.001 * rate * scale]], "latency_p99": [[0.004 * rate * scale]]},
            ),
            notes={"slo": 0.05},
        )
        for policy, scale in (("none", 1.0), ("window", 0.5))
        for rate in (1, 5, 10)
    ]
    return [leak, *loads]


def of_hostile_names() -> list[Measurement]:
    """Cases and reasons in which every text is hostile."""
    found: list[Measurement] = []
    for text in WRITABLE:
        case = Case(text, text, text, ((text, text), ("__proto__", 1)))
        found.append(measured(case, "latency", {"latency": around(1e-3)}, unstable=text, mark=text))
        found.append(
            failed(replace(case, candidate=f"{text}2"), "latency", Status.CRASHED, text, detail=text)
        )
    return found


def a_history(results: Path) -> None:
    """Two machines over eight commits; on the first `flash` became 30 % slower at the seventh, one case broke
    and another has another version at the last, and the second one measures hostile names, too."""
    for number in range(COMMITS):
        last = number == COMMITS - 1
        extra = [*of_other_probes(), *(_last_night() if last else _before())]
        put(a_night(number, factor=1.3 if number >= 6 else 1.0, extra=extra), results)
    for number in range(COMMITS):
        run = a_night(number, "m2", extra=of_hostile_names())
        texts = " ".join(WRITABLE)
        put(replace(run, environment=environment(number, "m2", subject=texts, os=texts)), results)  # type: ignore[arg-type]


def _before() -> list[Measurement]:
    return [
        measured(a_case(name, "moe", "route"), "latency", {"latency": around(1e-4)})
        for name in ("scan", "sort")
    ]


def _last_night() -> list[Measurement]:
    scan = failed(a_case("scan", "moe", "route"), "latency", Status.CRASHED, "killed by signal 11 (SIGSEGV)")
    sort = replace(a_case("sort", "moe", "route"), version=2)
    return [scan, measured(sort, "latency", {"latency": around(5e-4)})]


def taken(site: Path, name: str) -> Any:
    """What a data file hands over."""
    text = (site / "data" / f"{name}.js").read_text(encoding="utf-8")
    assert text.startswith(f'dsbench.take("{name}",')
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def rows(site: Path, place: int = 0) -> list[dict[str, Any]]:
    return [row for event in taken(site, "changes")["places"][place]["events"] for row in event["rows"]]
