"""Two sides measured in pairs of fresh processes that take short turns on the same device.

What drifts, drifts for both; what is wrong with one process as a whole is wrong with one pair. So the pair
is the unit of evidence, and each gives one number: the median log ratio of neighbouring turns.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from dsbench.backends import BACKENDS
from dsbench.child import Child
from dsbench.probes.latency import COLD, HOT, LAUNCH
from dsbench.probes.prepared import Budget
from dsbench.records import Case, Measurement, Status
from dsbench.round import Job
from dsbench.taker import TURN, LostError, Taker

FEWEST = 5
"""Turns of each side in a pair, however long a call is; its middle then stands two odd ones."""

TIMED = (HOT, COLD, LAUNCH)
"""The metrics that two sides can take turns on."""


@dataclass(frozen=True)
class Side:
    """One of the two: its name, where its modules are imported from first, and its folder of suites."""

    name: str
    suites: Path
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """How pairs are measured: on which device, and for how many seconds a case and pair."""

    backend: str
    index: int = 0
    seed: int = 0
    timeout: float = 120.0
    seconds: float = 0.5
    affinity: tuple[int, ...] = ()
    budget: Budget = field(default_factory=lambda: Budget(0.1, 0.5, 0.05))


@dataclass(frozen=True)
class Pair:
    """What one pair of processes says of one case: median seconds a call of each side, the median log
    ratio of B to A, and the same of processor time (None where it is a device that computes). `turns` are
    what they come from, by side: seconds by the metric and processor seconds a call of each turn. `problems`
    holds, by side, the status and the reason of one that has no numbers; `probed`, by side, what the
    deterministic probes said if they were asked."""

    case: str
    number: int
    control: bool = False
    metric: str = HOT
    seconds: tuple[float, float] = (math.nan, math.nan)
    log_ratio: float = math.nan
    cpu_log_ratio: float | None = None
    turns: Sequence[tuple[tuple[float, float], tuple[float, float]]] = ()
    problems: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    probed: tuple[tuple[Measurement, ...], ...] = ()

    @property
    def occupied(self) -> tuple[float, float]:
        """Processor seconds a second of wall clock: what is typical of a turn, of the side with more of it,
        and what the turn that was disturbed least shows, of the side with less."""
        sides = [[cpu / wall for wall, cpu in side] for side in zip(*self.turns, strict=True)]
        return max(map(median, sides)), min(map(max, sides))

    def to_json(self) -> dict[str, Any]:
        """A row of the file that is kept; numbers that are not there are None."""
        row: dict[str, Any] = {"type": "pair", **vars(self)}
        row["problems"] = {str(side): list(told) for side, told in self.problems.items()}
        row["probed"] = [[measurement.to_json() for measurement in side] for side in self.probed]
        if self.problems:
            row |= {"seconds": None, "log_ratio": None}
        return row


def measure_pair(
    sides: tuple[Side, Side],
    cases: Sequence[Case],
    number: int,
    pairing: Pairing,
    controls: Collection[str] = (),
    probing: Collection[str] = (),
    metrics: Mapping[Case, Sequence[str]] | None = None,
) -> Iterator[Pair]:
    """Measures cases of one suite in one pair of processes. A case that ends a process is told so, and the
    rest goes on in fresh ones.

    Args:
        controls: names of cases whose first metric is also measured with a second process of the first
            side in place of the other.
        probing: names of cases whose deterministic probes are asked, once a side.
        metrics: the metrics (of `TIMED`) to measure of each case; of one that is not named, the latency.
    """
    wanted = {case: tuple((metrics or {}).get(case, (HOT,))) for case in cases}
    left = dict(wanted)
    while left:
        try:
            for case, pair in _fresh(sides, left, number, pairing, controls, probing):
                yield pair
                if not pair.control and pair.metric == wanted[case][-1]:
                    del left[case]
        except LostError as lost:
            # Without a case to blame, the side cannot do this suite at all.
            blamed = [case for case in left if case.name == lost.case]
            problems = {lost.side: lost.told}
            if blamed:
                problems |= _alone(sides[1 - lost.side], 1 - lost.side, blamed[0], number, pairing)
            for case in blamed or list(left):
                del left[case]
                yield Pair(case.name, number, metric=wanted[case][0], problems=problems)


def _alone(side: Side, index: int, case: Case, number: int, pairing: Pairing) -> dict[int, tuple[str, str]]:
    """What is wrong with a case on one side too, whose other side has ended its process."""
    try:
        with Child(_job(side, [case], number, pairing), side.paths) as child:
            worker = Taker(index, child, pairing.timeout)
            worker.prepare(case.name)
            worker.wait()
            if case.name not in worker.problems and worker.turn(case.name, HOT):
                worker.check(case.name)
            return {index: worker.problems[case.name]} if worker.problems else {}
    except LostError as lost:
        return {index: lost.told}


def _fresh(
    sides: tuple[Side, Side],
    wanted: Mapping[Case, Sequence[str]],
    number: int,
    pairing: Pairing,
    controls: Collection[str],
    probing: Collection[str],
) -> Iterator[tuple[Case, Pair]]:
    order = random.Random(pairing.seed * 1_000_003 + number)
    cases = list(wanted)
    # Where nobody asks for cold readings, no cache need be flushed, nor what that reads be set aside.
    warm_only = all(set(metrics) <= {HOT} for metrics in wanted.values())
    pairing = replace(pairing, budget=replace(pairing.budget, warm_only=warm_only))
    controlled = any(case.name in controls for case in cases)
    with contextlib.ExitStack() as stack:
        workers = []
        for index, side in [*enumerate(sides), *([(0, sides[0])] if controlled else [])]:
            child = stack.enter_context(Child(_job(side, cases, number, pairing), side.paths))
            workers.append(Taker(index, child, pairing.timeout))
        for case in cases:
            for worker in (using := workers if case.name in controls else workers[:2]):
                worker.prepare(case.name)
            for worker in using:
                worker.wait()
            first, *others = wanted[case]
            if case.name in controls:
                couple = (workers[0], workers[2])
                yield case, _take_turns(case.name, first, couple, number, pairing, order, True)
            couple = (workers[0], workers[1])
            pair = _take_turns(case.name, first, couple, number, pairing, order)
            if case.name in probing and not pair.problems:
                pair = replace(pair, probed=tuple(worker.probe(case.name) for worker in couple))
            yield case, pair
            for metric in others:
                yield case, _take_turns(case.name, metric, couple, number, pairing, order)


def _take_turns(
    case: str,
    metric: str,
    couple: tuple[Taker, Taker],
    number: int,
    pairing: Pairing,
    order: random.Random,
    control: bool = False,
) -> Pair:
    """Lets two workers take turns, in an order drawn anew each time, never both at once."""
    processor = BACKENDS[pairing.backend].on_host
    taken: list[tuple[tuple[float, float], tuple[float, float]]] = []
    spoiled = 0
    began = time.monotonic()
    while not (problems := _problems(case, couple)):
        found: dict[int, tuple[float, float] | None] = {}
        for place in order.sample((0, 1), 2):
            found[place] = couple[place].turn(case, metric)
        before, after = found[0], found[1]
        if before and after and min(before[0], after[0]) > 0:
            taken.append((before, after))
        elif before and after:  # a clock that was set back in between
            spoiled += 1
            if spoiled > FEWEST + len(taken):
                side = couple[0 if before[0] <= 0 else 1]
                side.problems[case] = (Status.ERROR.value, "most of its turns took no time by its clock")
        # By the turns that were asked for, too: a simulated device takes no time of ours for them.
        spent = max(time.monotonic() - began, len(taken) * 2 * TURN)
        if len(taken) >= FEWEST and spent >= pairing.seconds:
            break
    for worker in couple:
        if case not in worker.problems:
            worker.check(case)
    if problems := _problems(case, couple):
        return Pair(case, number, control, metric, problems=problems)
    timed = processor and metric == HOT and all(cpu > 0 for turn in taken for _, cpu in turn)
    return Pair(
        case,
        number,
        control,
        metric,
        seconds=(median(a[0] for a, _ in taken), median(b[0] for _, b in taken)),
        log_ratio=median(math.log(b[0] / a[0]) for a, b in taken),
        cpu_log_ratio=median(math.log(b[1] / a[1]) for a, b in taken) if timed else None,
        turns=taken,
    )


def _problems(case: str, couple: tuple[Taker, Taker]) -> dict[int, tuple[str, str]]:
    return {worker.side: worker.problems[case] for worker in couple if case in worker.problems}


def _job(side: Side, cases: Sequence[Case], number: int, pairing: Pairing) -> dict[str, Any]:
    job = Job(
        suite=(side.suites / f"{cases[0].suite}.py").resolve(),
        cases=tuple(cases),
        backend=pairing.backend,
        index=pairing.index,
        round=number,
        seed=pairing.seed,
        budget=pairing.budget,
        affinity=pairing.affinity,
    )
    return {**job.to_json(), "type": "turns"}
