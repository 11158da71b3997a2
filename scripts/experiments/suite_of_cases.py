"""Comparisons of 200 cases drawn from recorded pairs, 5 of them slower: are those found, and no other?"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rules import POLICY, log_ratio, pairs_of, screened
from traces import Cell, Stream

from dsbench.gate import Outcome
from dsbench.paired_gate import CONFIRMING, LOOKS, confirm
from dsbench.probes.latency import HOT
from dsbench.records import Case

CASES, SLOWER, COMPARISONS = 200, 5, 100


def suites(cells: Mapping[Cell, Sequence[Stream]]) -> Iterator[dict[str, Any]]:
    """A row a machine, neighbour and slow-down."""
    kernels: dict[tuple[str, bool], list[list[float]]] = defaultdict(list)
    for cell, streams in cells.items():
        ratios = [log_ratio(pair) for stream in streams for pair in stream.pairs]
        if not cell.real and len(ratios) >= LOOKS[-1] + CONFIRMING:
            kernels[cell.machine, cell.busy].append(ratios)
    for (machine, busy), ratios in kernels.items():
        for injected in (0.02, 0.05):
            found = [_compared(ratios, injected, random.Random(seed)) for seed in range(COMPARISONS)]
            yield {
                "machine": machine,
                "busy": busy,
                "injected": injected,
                "comparisons": COMPARISONS,
                "alarms": sum(alarms for alarms, _, _ in found),
                "slower_found": sum(right for _, right, _ in found),
                "wrong": sum(wrong for _, _, wrong in found),
                "all_and_nothing_else": sum((right, wrong) == (SLOWER, 0) for _, right, wrong in found),
            }


def _compared(kernels: Sequence[Sequence[float]], injected: float, draw: random.Random) -> tuple[int, ...]:
    """Alarms, slower cases that were confirmed, and others that were."""
    alarms, fresh = [], {}
    for number in range(CASES):
        slower = math.log1p(injected) if number < SLOWER else 0.0
        some = [ratio + slower for ratio in draw.sample(draw.choice(kernels), LOOKS[-1] + CONFIRMING)]
        case = Case("recorded", "trace", str(number))
        alarm = screened(some[: LOOKS[-1]], case)
        if alarm.outcome is Outcome.WORSE:
            alarms.append(alarm)
            fresh[case.name, HOT] = pairs_of(some[LOOKS[-1] :], case)
    worse = [
        int(verdict.case.candidate)
        for verdict in confirm(alarms, fresh, POLICY)
        if verdict.outcome is Outcome.WORSE
    ]
    right = sum(number < SLOWER for number in worse)
    return len(alarms), right, len(worse) - right
