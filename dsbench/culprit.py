"""Which revision brought a change: bisection by pairs of processes, each an answer that may be wrong.

A pair asks whether a revision lies nearer to the good end or to the bad one: beyond the middle of the change
between the ends, or not. How often such an answer is wrong is counted in the pairs of the ends themselves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from dsbench.gate import Outcome, Verdict
from dsbench.paired_gate import LOOKS, PairedPolicy, settle
from dsbench.pairs import Pair, Pairing, Side, measure_pair
from dsbench.records import Case
from dsbench.revisions import BuildError
from dsbench.stats.bisection import Bisection

VISIT = 3
"""Pairs that a revision gets when it is asked about: building it costs more than they do."""

HIGHEST_ERROR = 0.35
"""Share of wrong answers above which they would take too many."""

FOUND = (Outcome.WORSE, Outcome.BETTER, Outcome.BROKEN, Outcome.MISSING)
"""Outcomes of the ends that leave something to look for."""


@dataclass
class Search:
    """Looks for the revision. What is known so far is kept, also after Ctrl-C.

    Args:
        good: the good end.
        revisions: the commits after it, oldest first; the last is the bad end.
        build: makes a side of a commit.
        confidence: the chance at which one revision is called found.
        limit: seconds after which no other revision is asked about.
        measure: what takes a pair of processes; another one simulates it.
    """

    case: Case
    good: Side
    revisions: Sequence[str]
    build: Callable[[str], Side]
    pairing: Pairing
    policy: PairedPolicy
    confidence: float
    limit: float
    keep: Callable[[Pair, bool], None]
    measure: Callable[..., Iterator[Pair]] = measure_pair
    ends: Verdict | None = None
    posterior: Bisection | None = None
    asked: dict[int, list[Pair]] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    _taken: int = 0

    @property
    def pairs(self) -> int:
        """Pairs taken so far, those of the ends among them."""
        return self._taken

    @property
    def found(self) -> tuple[range, float]:
        """The likeliest revision (or those that cannot be told apart), and how likely; all of them before
        the ends have been compared."""
        if self.posterior is None:
            return range(len(self.revisions)), 1.0
        return self.posterior.suspects(self.skipped)

    @property
    def sure(self) -> bool:
        """Whether the likeliest is called found."""
        return self.posterior is not None and self.found[1] >= self.confidence

    def run(self) -> None:
        """Compares the ends, then asks until it is sure, no question is left, or time is up.

        Raises:
            BuildError: the bad end cannot be built.
        """
        began = time.monotonic()
        last = len(self.revisions) - 1
        pairs = self.asked[last] = self._compare_ends(self.build(self.revisions[last]))
        assert self.ends is not None  # _compare_ends has said
        wrong = sum(not self._changed(pair) for pair in pairs)
        if self.ends.outcome not in FOUND or wrong > HIGHEST_ERROR * len(pairs):
            return
        self.posterior = Bisection(len(self.revisions), wrong, len(pairs))
        while not self.sure and time.monotonic() - began < self.limit:
            place = self.posterior.question(self.skipped)
            if place is None:
                return
            self._ask(place)

    def ratio(self, place: int) -> float | None:
        """The relative change of a revision to the good end, from its pairs; None without numbers."""
        ratios = [pair.log_ratio for pair in self.asked.get(place, ()) if not pair.problems]
        return math.expm1(median(ratios)) if ratios else None

    def _compare_ends(self, bad: Side) -> list[Pair]:
        pairs: list[Pair] = []
        while True:
            pairs.append(self._pair(bad))
            self.ends = settle(self.case, pairs, self.policy)
            failing = self.ends.change is None  # then a few will do, since most failures come every time
            if len(pairs) == LOOKS[-1] or (failing and len(pairs) >= 2 * VISIT):
                return pairs
            if not failing and len(pairs) in LOOKS and self.ends.outcome is not Outcome.INCONCLUSIVE:
                return pairs

    def _ask(self, place: int) -> None:
        """Takes pairs of a revision until they are enough for a visit; one that cannot answer is skipped."""
        assert self.posterior is not None  # run() has made it
        try:
            side = self.build(self.revisions[place])
        except BuildError as error:
            self.skipped[place] = f"cannot be built: {error}"
            return
        for _ in range(VISIT):
            pair = self._pair(side)
            if pair.problems and not self._fails_alike(pair):
                self.skipped[place] = "; ".join(told for _, told in pair.problems.values())
                return
            self.asked.setdefault(place, []).append(pair)
            self.posterior.answer(place, self._changed(pair))

    def _fails_alike(self, pair: Pair) -> bool:
        """Whether a pair fails as the bad end does: on that side alone, and in the same way."""
        ways = {end.problems[1][0] for end in self.asked[len(self.revisions) - 1] if 1 in end.problems}
        return 0 not in pair.problems and pair.problems[1][0] in ways

    def _changed(self, pair: Pair) -> bool:
        """Whether a pair lies nearer to the bad end than to the good one."""
        if self.ends is None or self.ends.change is None:
            return bool(pair.problems)
        middle = math.log1p(self.ends.change.value) / 2
        return pair.log_ratio / middle > 1 if middle and not pair.problems else False

    def _pair(self, side: Side) -> Pair:
        number, self._taken = self._taken, self._taken + 1
        (pair,) = self.measure((self.good, side), [self.case], number, self.pairing)
        self.keep(pair, False)
        return pair
