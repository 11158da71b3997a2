"""Two sides held against each other: every case screened in pairs, alarms taken again with fresh ones."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from dsbench.exact import Exact
from dsbench.gate import Outcome, Verdict
from dsbench.metrics import METRICS
from dsbench.paired_gate import CONFIRMING, LOOKS, Key, PairedPolicy, confirm, settle
from dsbench.pairs import TIMED, Pair, Pairing, Side, measure_pair
from dsbench.records import Case

CONTROLS = 0.05
"""Share of the cases that are also held against their own side, at least one."""

Keep = Callable[[Pair, bool], None]
"""Takes each pair as soon as it is measured, and whether it is to confirm an alarm."""


@dataclass
class Versus:
    """Measures and judges. `verdicts` and `controls` hold what is known so far, also after Ctrl-C.

    Args:
        limit: seconds after which a case that is undecided gets no more than the first 12 pairs.
        measure: what takes a pair of processes; another one simulates it.
    """

    sides: tuple[Side, Side]
    cases: Sequence[Case]
    pairing: Pairing
    policy: PairedPolicy
    limit: float
    keep: Keep
    measure: Callable[..., Iterator[Pair]] = measure_pair
    _screened: dict[Key, list[Pair]] = field(default_factory=dict)
    _fresh: dict[Key, list[Pair]] = field(default_factory=dict)
    _controlled: dict[Key, list[Pair]] = field(default_factory=dict)
    _exact: dict[str, Exact] = field(default_factory=dict)

    def run(self) -> None:
        """Screens every case and confirms the alarms."""
        began = time.monotonic()
        chosen = self._controls(self.cases)
        open_cases = list(self.cases)
        for number in range(LOOKS[-1]):
            if number >= LOOKS[0] and time.monotonic() - began > self.limit:
                break
            wanted = dict.fromkeys(open_cases, (TIMED[0],))
            self._pair(wanted, number, self._screened, chosen, self._asked(open_cases))
            open_cases = [case for case in open_cases if not self._decided(case, number + 1)]
        self._confirm({v.case: (v.metric,) for v in self._first() if v.outcome is Outcome.WORSE})

    def verdicts(self) -> list[Verdict]:
        """A verdict a case and metric, most serious first."""
        first = self._first()
        alarms = [verdict for verdict in first if verdict.outcome is Outcome.WORSE]
        judged = confirm(alarms, self._fresh, self.policy)
        rest = [verdict for verdict in first if verdict.outcome is not Outcome.WORSE]
        exact = [verdict for one in self._exact.values() for verdict in one.verdicts()]
        return ordered([*judged, *rest, *exact])

    def controls(self) -> list[Verdict]:
        """What was found between two processes of the same side, which should be nothing."""
        known = {case.name: case for case in self.cases}
        return [settle(known[name], pairs, self.policy) for (name, _), pairs in self._controlled.items()]

    def recheck(self, alarms: Iterable[Verdict]) -> None:
        """Takes fresh pairs for alarms that were raised by something else, and asks once more what the
        deterministic probes say where the alarm may be theirs."""
        timed: dict[Case, tuple[str, ...]] = {}
        probed: dict[Case, tuple[str, ...]] = {}
        for alarm in alarms:
            if alarm.metric in (*TIMED, ""):
                timed[alarm.case] = (*timed.get(alarm.case, ()), alarm.metric or TIMED[0])
            if not alarm.metric or METRICS[alarm.metric].tolerance is not None:
                probed[alarm.case] = (TIMED[0],)
        number = LOOKS[-1] + CONFIRMING
        while asked := self._asked(probed):
            open_ones = {case: metrics for case, metrics in probed.items() if case.name in asked}
            self._pair(open_ones, number, self._fresh, probing=asked)
            probed = {case: metrics for case, metrics in open_ones.items() if case.name in self._exact}
            number += 1
        wanted = {case: tuple(dict.fromkeys(metrics)) for case, metrics in timed.items()}
        self._confirm(wanted, self._controls(list(wanted)))

    def rechecked(self, alarms: Sequence[Verdict]) -> list[Verdict]:
        """The alarms as far as they recur, in their order; one on a metric that two sides cannot take turns
        on stands as it is, and says so."""
        timed = [alarm for alarm in alarms if alarm.metric in (*TIMED, "")]
        judged = dict(zip(map(_key, timed), confirm(timed, self._fresh, self.policy), strict=True))
        judged |= {
            _key(verdict): replace(verdict, reason=f"measured again: {verdict.reason}")
            for one in self._exact.values()
            for verdict in one.verdicts()
        }
        told = "it could not be measured again in turns"
        return [
            judged.get(_key(alarm)) or replace(alarm, reason=f"{alarm.reason}; {told}") for alarm in alarms
        ]

    def _first(self) -> list[Verdict]:
        return [
            settle(case, self._screened.get((case.name, TIMED[0]), ()), self.policy) for case in self.cases
        ]

    def _decided(self, case: Case, pairs: int) -> bool:
        found = self._screened[case.name, TIMED[0]]
        if any(pair.problems for pair in found):
            return True
        return pairs in LOOKS and settle(case, found, self.policy).outcome is not Outcome.INCONCLUSIVE

    def _controls(self, cases: Sequence[Case]) -> frozenset[str]:
        """Which cases are also held against their own side."""
        number = min(len(cases), max(1, round(CONTROLS * len(cases))))
        return frozenset(case.name for case in random.Random(self.pairing.seed).sample(cases, number))

    def _confirm(self, wanted: Mapping[Case, Sequence[str]], controls: frozenset[str] = frozenset()) -> None:
        for number in range(CONFIRMING):
            self._pair(wanted, LOOKS[-1] + number, self._fresh, controls)
            failed = {name for (name, _), pairs in self._fresh.items() if any(p.problems for p in pairs)}
            wanted = {case: metrics for case, metrics in wanted.items() if case.name not in failed}

    def _asked(self, cases: Iterable[Case]) -> frozenset[str]:
        """The cases whose deterministic probes should be asked in the next pair."""
        return frozenset(case.name for case in cases if self._exact.get(case.name, Exact()).open)

    def _pair(
        self,
        wanted: Mapping[Case, Sequence[str]],
        number: int,
        into: dict[Key, list[Pair]],
        controls: frozenset[str] = frozenset(),
        probing: frozenset[str] = frozenset(),
    ) -> None:
        for _, group in groupby(wanted, key=lambda case: case.suite):
            some = list(group)
            for pair in self.measure(self.sides, some, number, self.pairing, controls, probing, wanted):
                place = self._controlled if pair.control else into
                place.setdefault((pair.case, pair.metric), []).append(pair)
                if pair.probed:
                    self._exact.setdefault(pair.case, Exact()).add(pair.probed)
                self.keep(pair, into is self._fresh)


def ordered(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The most serious first."""
    return sorted(verdicts, key=lambda v: (list(Outcome).index(v.outcome), v.case.name, v.metric))


def _key(verdict: Verdict) -> Key:
    return verdict.case.name, verdict.metric
