"""Two sides held against each other: every case screened in pairs, alarms taken again with fresh ones."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from dsbench.gate import Outcome, Verdict
from dsbench.paired_gate import CONFIRMING, LOOKS, PairedPolicy, confirm, settle
from dsbench.pairs import Pair, Pairing, Side, measure_pair
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
    """

    sides: tuple[Side, Side]
    cases: Sequence[Case]
    pairing: Pairing
    policy: PairedPolicy
    limit: float
    keep: Keep
    _screened: dict[str, list[Pair]] = field(default_factory=dict)
    _fresh: dict[str, list[Pair]] = field(default_factory=dict)
    _controlled: dict[str, list[Pair]] = field(default_factory=dict)

    def run(self) -> None:
        """Screens every case and confirms the alarms."""
        began = time.monotonic()
        chosen = random.Random(self.pairing.seed).sample(
            [case.name for case in self.cases], max(1, round(CONTROLS * len(self.cases)))
        )
        open_cases = list(self.cases)
        for number in range(LOOKS[-1]):
            if number >= LOOKS[0] and time.monotonic() - began > self.limit:
                break
            self._pair(open_cases, number, self._screened, frozenset(chosen))
            open_cases = [case for case in open_cases if not self._decided(case, number + 1)]
        alarms = [verdict.case for verdict in self._first() if verdict.outcome is Outcome.WORSE]
        for number in range(CONFIRMING):
            self._pair(alarms, LOOKS[-1] + number, self._fresh, frozenset())
            alarms = [case for case in alarms if not any(p.problems for p in self._fresh[case.name])]

    def verdicts(self) -> list[Verdict]:
        """A verdict a case, most serious first."""
        first = self._first()
        alarms = [verdict for verdict in first if verdict.outcome is Outcome.WORSE]
        judged = confirm(alarms, self._fresh, self.policy)
        rest = [verdict for verdict in first if verdict.outcome is not Outcome.WORSE]
        return sorted([*judged, *rest], key=lambda v: (list(Outcome).index(v.outcome), v.case.name))

    def controls(self) -> list[Verdict]:
        """What was found between two processes of the same side, which should be nothing."""
        known = {case.name: case for case in self.cases}
        return [settle(known[name], pairs, self.policy) for name, pairs in self._controlled.items()]

    def _first(self) -> list[Verdict]:
        return [settle(case, self._screened.get(case.name, ()), self.policy) for case in self.cases]

    def _decided(self, case: Case, pairs: int) -> bool:
        found = self._screened[case.name]
        if any(pair.problems for pair in found):
            return True
        return pairs in LOOKS and settle(case, found, self.policy).outcome is not Outcome.INCONCLUSIVE

    def _pair(
        self, cases: Sequence[Case], number: int, into: dict[str, list[Pair]], controls: frozenset[str]
    ) -> None:
        for pair in self._measured(cases, number, controls):
            (self._controlled if pair.control else into).setdefault(pair.case, []).append(pair)
            self.keep(pair, into is self._fresh)

    def _measured(self, cases: Sequence[Case], number: int, controls: frozenset[str]) -> Iterator[Pair]:
        for _, group in groupby(cases, key=lambda case: case.suite):
            yield from measure_pair(self.sides, list(group), number, self.pairing, controls)
