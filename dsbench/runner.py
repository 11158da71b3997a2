"""The parent: plans a run, measures it in child processes, and has it on disk after every case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsbench.ceilings import Ceilings
from dsbench.child import Child, ChildError
from dsbench.probes.prepared import Budget
from dsbench.records import Case, Measurement, Status
from dsbench.registry import Suite
from dsbench.round import Job
from dsbench.runs import RunFile
from dsbench.watch import PROBE, Watch


@dataclass(frozen=True)
class Settings:
    """The options of a run, as they are written into its header; times in seconds."""

    backend: str
    index: int
    rounds: int
    seed: int
    timeout: float
    budget: Budget
    quick: bool
    suites: str
    probes: tuple[str, ...] = ()
    affinity: tuple[int, ...] = ()
    ceilings: Ceilings | None = None
    traces: str = ""
    chosen: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    results: str = "results"
    machine: str = ""
    command: tuple[str, ...] = ()
    reference: str = ""

    def to_json(self) -> dict[str, Any]:
        ceilings = self.ceilings.to_json() if self.ceilings else None
        return {**vars(self), "budget": vars(self.budget), "ceilings": ceilings}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """Reads back what `to_json` gave, through JSON or not."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        ceilings = Ceilings(**data["ceilings"]) if data.get("ceilings") else None
        return cls(**{**values, "budget": Budget(**data["budget"]), "ceilings": ceilings})


@dataclass(frozen=True)
class Progress:
    """Where a run stands: the case, in which round of how many, and how many case-rounds of how many
    are done; `measurements` is empty when the case has just begun."""

    case: str
    round: int
    rounds: int
    done: int
    total: int
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class Group:
    """The cases of one suite, measured in one child process a round: importing torch costs more than
    many a case."""

    suite: Suite
    cases: tuple[Case, ...]

    def cases_of(self, number: int) -> list[Case]:
        """Those that are measured in a round."""
        return [case for case in self.cases if number == 0 or not self.suite.benchmarks[case.benchmark].once]


def plan(cases: Iterable[Case], suites: Mapping[str, Suite]) -> list[Group]:
    """Groups cases by suite, in order of first appearance."""
    together: dict[str, list[Case]] = {}
    for case in cases:
        together.setdefault(case.suite, []).append(case)
    return [Group(suites[name], tuple(found)) for name, found in together.items()]


def execute(
    groups: list[Group],
    settings: Settings,
    file: RunFile,
    finished: Iterable[Measurement] = (),
    report: Callable[[Progress], None] = lambda _: None,
    waiting: Child | None = None,
) -> None:
    """Measures every group in every round, writing each case to the file as soon as it is done.

    Rounds are outermost, so that drift of the machine falls on all benchmarks alike. A case that
    failed, or that the device does not support, is not tried again in later rounds.

    Args:
        finished: what an earlier, interrupted invocation of the same run measured already.
        waiting: a worker that has only looked for the device; it gets the first job.

    Raises:
        RunError: nothing can be written any more.
    """
    everything = [(r, case) for r in range(settings.rounds) for group in groups for case in group.cases_of(r)]
    done: set[tuple[int, Case]] = set()
    given_up: set[Case] = set()
    for case, measurements in _by_case(finished).items():
        done |= {(s.round, case) for m in measurements for samples in m.readings.values() for s in samples}
        given_up |= {case} if _hopeless(measurements) else set()
    spare = [waiting] if waiting else []
    for number in range(settings.rounds):
        for group in groups:
            left = [
                case for case in group.cases_of(number) if (number, case) not in done and case not in given_up
            ]
            for case, measurements in _measure(group, left, number, settings, spare):
                if measurements:
                    file.append(*(m.to_json() for m in measurements))
                    done.add((number, case))
                    given_up |= {case} if _hopeless(measurements) else set()
                total = len(done | {(r, c) for r, c in everything if c not in given_up})
                report(Progress(case.name, number, settings.rounds, len(done), total, measurements))


def _by_case(measurements: Iterable[Measurement]) -> dict[Case, tuple[Measurement, ...]]:
    found: dict[Case, tuple[Measurement, ...]] = {}
    for measurement in measurements:
        found[measurement.case] = (*found.get(measurement.case, ()), measurement)
    return found


def _hopeless(measurements: Iterable[Measurement]) -> bool:
    """Whether measuring a case once more would only say the same again."""
    return any(m.status.failed for m in measurements) or not any(m.status.has_numbers for m in measurements)


def _worker(job: Job, spare: list[Child]) -> Child:
    """Gives a job to a worker that waits for one, or starts one with it."""
    if spare and (child := spare.pop()).process.poll() is None:
        child.tell(job.to_json())
        return child
    return Child(job.to_json())


def _measure(
    group: Group, cases: list[Case], number: int, settings: Settings, spare: list[Child]
) -> Iterator[tuple[Case, tuple[Measurement, ...]]]:
    """Measures cases in one child; when it dies, goes on with the rest in another one. Yields each case
    with nothing when it begins, and with a measurement a probe when it is done."""
    left = {case.name: case for case in cases}
    asked = {case.name: group.suite.benchmarks[case.benchmark].asked(settings.probes) for case in cases}
    while left:
        job = Job(
            suite=group.suite.path.resolve(),
            cases=tuple(left.values()),
            backend=settings.backend,
            index=settings.index,
            round=number,
            seed=settings.seed,
            budget=settings.budget,
            probes=settings.probes,
            affinity=settings.affinity,
            ceilings=settings.ceilings,
            traces=Path(settings.traces) if settings.traces else None,
        )
        current: Case | None = None
        arrived: dict[str, list[Measurement]] = {}
        try:
            with _worker(job, spare) as child, Watch(settings.backend) as watch:
                for message in child.messages(settings.timeout):
                    try:
                        if message["type"] in ("start", "turn"):
                            current = left[message["case"]]
                            if message["type"] == "start":
                                yield current, ()
                            continue
                        if message["type"] == "watch":
                            watch.begin(message["pid"], message["identity"])
                            continue
                        measurement = Measurement.from_json(message)
                        if measurement.probe == PROBE:
                            measurement = watch.end(measurement)
                        case = left[measurement.case.name]
                    except (KeyError, TypeError, ValueError) as error:
                        reason = f"the worker sent a message that makes no sense: {error!r}"
                        raise ChildError(Status.ERROR, reason, child.tail) from None
                    known = arrived.setdefault(case.name, [])
                    known.append(measurement)
                    if len(known) == len(asked[case.name]):
                        del left[case.name]
                        yield case, tuple(known)
            return
        except ChildError as error:
            # Without a case to blame, the worker cannot do this suite at all.
            for case in list(left.values()) if current is None else [current]:
                if left.pop(case.name, None) is not None:
                    known_by_probe = {m.probe: m for m in arrived.get(case.name, [])}
                    yield (
                        case,
                        tuple(
                            known_by_probe.get(probe)
                            or Measurement(case, probe, error.status, error.reason, detail=error.detail)
                            for probe in asked[case.name]
                        ),
                    )
