"""The present tree against a pinned reference revision, in pairs of processes that take turns.

What drifts between two nights drifts for both sides of a pair, so a history of these ratios holds what the
code did and not what the machine did. A new reference starts new series.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from dsbench.metrics import REFERENCE
from dsbench.pairs import Pair, Pairing, Side, measure_pair
from dsbench.records import Case, Measurement, Sample, Status
from dsbench.registry import load
from dsbench.turns import ABSENT


def measure_against(
    sides: tuple[Side, Side],
    cases: Sequence[Case],
    pairing: Pairing,
    commit: str,
    pairs: int,
    finished: Iterable[Measurement] = (),
) -> Iterator[Measurement]:
    """Measures every case in every pair, and yields a measurement of one sample for each; those of a case
    belong together as the rounds of any other do.

    A case that the reference lacks, has in another version or fails at is `unsupported`, since that says
    nothing of the present tree; one that the present tree fails at is what it fails with. Neither is tried
    again.

    Args:
        sides: the reference, and the present tree.
        commit: the reference's.
        pairs: how many pairs of processes; from six on the ratio has an interval.
        finished: what an interrupted invocation of the same run measured already.
    """
    done: dict[str, set[int]] = {}
    given_up: set[str] = set()
    for old in finished:
        if old.probe == REFERENCE:
            done.setdefault(old.case.name, set()).update(s.round for s in old.readings.get("ratio", ()))
            given_up |= set() if old.status.has_numbers else {old.case.name}
    for case in cases:
        if case.name not in given_up and (reason := _unlike(sides[0], case)):
            given_up.add(case.name)
            yield _without(case, Status.UNSUPPORTED, reason, commit)
    for number in range(pairs):
        left = [c for c in cases if c.name not in given_up and number not in done.get(c.name, ())]
        for _, group in groupby(left, key=lambda case: case.suite):
            together = {case.name: case for case in group}
            for pair in measure_pair(sides, list(together.values()), number, pairing):
                measurement = _measurement(together[pair.case], pair, commit)
                if not measurement.status.has_numbers:
                    given_up.add(pair.case)
                yield measurement


def _measurement(case: Case, pair: Pair, commit: str) -> Measurement:
    if here := pair.problems.get(1):
        return _without(case, Status(here[0]), here[1], commit)
    if there := pair.problems.get(0):
        return _without(case, Status.UNSUPPORTED, f"the reference: {there[1]}", commit)
    ratio = (Sample(math.exp(pair.log_ratio), pair.number),)
    return Measurement(case, REFERENCE, Status.OK, readings={"ratio": ratio}, notes={REFERENCE: commit})


def _without(case: Case, status: Status, reason: str, commit: str) -> Measurement:
    notes: Mapping[str, str] = {REFERENCE: commit}
    return Measurement(case, REFERENCE, status, reason=reason, notes=notes)


def _unlike(side: Side, case: Case) -> str:
    """Why a side's case of that name is not the same workload; empty when it is, or when its own process
    will tell."""
    path = side.suites / f"{case.suite}.py"
    declared = load(path).benchmarks.get(case.benchmark) if path.is_file() else None
    if declared is None or case.candidate not in declared.candidates:
        return f"{ABSENT} from the reference"
    if declared.version != case.version:
        return f"version {declared.version} at the reference, {case.version} here"
    return ""
