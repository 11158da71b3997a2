"""Rules that say from samples of two sides whether the second is slower: peers by their own code, and
dsbench's.

A comparison is a list of pairs of processes, each with the samples of its two sides, by the clock on the wall
and, where it was recorded, in processor time, which dsbench alone looks at. Rules that know nothing of
processes get the samples of all of them, first to last.

Needs `pip install pyperf pytest-benchmark`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import pyperf
from asv.commands.compare import _is_result_better
from asv_runner.statistics import compute_stats
from pyperf._compare import CompareData, CompareResult
from pytest_benchmark.stats import Stats
from pytest_benchmark.utils import parse_compare_fail
from scipy.stats import mannwhitneyu, ttest_ind
from traces import Turns, by_wall, pair_of

from dsbench.gate import Outcome, Verdict
from dsbench.paired_gate import LOOKS, PairedPolicy, confirm, settle
from dsbench.pairs import Pair
from dsbench.probes.latency import HOT
from dsbench.records import Case

CASE = Case("recorded", "trace", "kernel")
POLICY = PairedPolicy()


@dataclass(frozen=True)
class Comparison:
    """Pairs that follow each other, by either clock; `processor` is empty where a device computes."""

    wall: Sequence[Turns]
    processor: Sequence[Turns] = ()

    def __getitem__(self, some: slice) -> Comparison:
        return Comparison(self.wall[some], self.processor[some])

    def each(self, change: Callable[[Sequence[Turns]], Sequence[Turns]]) -> Comparison:
        """The same change made by either clock."""
        return Comparison(change(self.wall), change(self.processor))

    @property
    def pairs(self) -> list[Pair]:
        """As dsbench has them."""
        return [
            pair_of(number, *clocks) for number, clocks in enumerate(zip_longest(self.wall, self.processor))
        ]


def pooled(compared: Comparison) -> tuple[list[float], list[float]]:
    """The samples of either side."""
    return tuple(np.concatenate([pair[side] for pair in compared.wall]).tolist() for side in (0, 1))  # type: ignore[return-value]


def asv(compared: Comparison) -> bool:
    """Worse by `asv compare`: its statistics and its default factor of 1.1."""
    before, after = pooled(compared)
    a, b = compute_stats(before, 1), compute_stats(after, 1)
    if a[0] >= b[0] / 1.1:
        return False  # asv asks this last, after a U test that takes it a second
    return bool(_is_result_better(a[0], b[0], (a[1], before), (b[1], after), 1.1))


def pyperf_compare(compared: Comparison) -> bool:
    """Significantly slower by `pyperf compare_to`, each process being one of its runs."""

    def side(index: int) -> CompareData:
        runs = [
            pyperf.Run(pair[index].tolist(), metadata={"name": "kernel"}, collect_metadata=False)
            for pair in compared.wall
        ]
        return CompareData("side", pyperf.Benchmark(runs))

    found = CompareResult(side(0), side(1))
    return bool(found.significant and found.norm_mean > 1)


def pytest_benchmark(check: str) -> Callable[[Comparison], bool]:
    """A failure of pytest with `--benchmark-compare-fail`."""
    rule = parse_compare_fail(check)

    def says(compared: Comparison) -> bool:
        sides = []
        for samples in pooled(compared):
            stats = Stats()
            for sample in samples:
                stats.update(sample)
            sides.append({rule.field: getattr(stats, rule.field)})
        return rule.fails(sides[1], sides[0]) is not None

    return says


def t_test(compared: Comparison) -> bool:
    """Welch's t test at 5 %, all samples taken for independent."""
    before, after = pooled(compared)
    return bool(ttest_ind(before, after, equal_var=False).pvalue < 0.05 and np.mean(after) > np.mean(before))


def u_test(compared: Comparison) -> bool:
    """The U test at 5 %, all samples taken for independent."""
    before, after = pooled(compared)
    return bool(mannwhitneyu(before, after).pvalue < 0.05 and np.median(after) > np.median(before))


def screened(pairs: Sequence[Pair]) -> Verdict:
    """What dsbench says at the first of its looks that decides, before fresh pairs confirm it."""
    for look in (look for look in LOOKS if look <= len(pairs)):
        verdict = settle(CASE, pairs[:look], POLICY)
        if verdict.outcome is not Outcome.INCONCLUSIVE:
            break
    return verdict


def confirmed(pairs: Sequence[Pair], fresh: Sequence[Pair]) -> bool:
    """Worse by dsbench at the first look and once more in fresh pairs."""
    alarm = screened(pairs)
    if alarm.outcome is not Outcome.WORSE:
        return False
    (verdict,) = confirm([alarm], {(CASE.name, HOT): fresh}, POLICY)
    return verdict.outcome is Outcome.WORSE


def dsbench(compared: Comparison) -> bool:
    """Worse by dsbench's screening."""
    return screened(compared.pairs).outcome is Outcome.WORSE


def dsbench_by_wall(compared: Comparison) -> bool:
    """The same if it did not look at processor time."""
    return screened(by_wall(compared.pairs)).outcome is Outcome.WORSE


RULES: dict[str, Callable[[Comparison], bool]] = {
    "asv compare": asv,
    "pyperf compare_to": pyperf_compare,
    "pytest-benchmark, mean:5%": pytest_benchmark("mean:5%"),
    "pytest-benchmark, median:2%": pytest_benchmark("median:2%"),
    "t test, all samples": t_test,
    "U test, all samples": u_test,
    "dsbench, wall clock alone": dsbench_by_wall,
    "dsbench, screening": dsbench,
}
