"""What pairs mean: verdicts by where the interval lies, by either clock, and what fresh pairs confirm."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from dsbench.gate import Outcome
from dsbench.paired_gate import CONFIRMING, LOOKS, PairedPolicy, confirm, settle
from dsbench.pairs import Pair
from dsbench.records import Case

POLICY = PairedPolicy()
CASE = Case("s", "b", "c")


def pairs(ratios: list[float]) -> list[Pair]:
    return [
        Pair(CASE.name, number, seconds=(1.0, math.exp(ratio)), log_ratio=ratio)
        for number, ratio in enumerate(ratios)
    ]


def clocked(
    wall: float, processor: float, width: float = 0.01, share: float = 1.0, count: int = LOOKS[0]
) -> list[Pair]:
    """Pairs around two centres, one a clock; `share` is the processor time of a second of wall clock."""
    turn = ((1.0, share), (1.0, share))
    return [
        replace(pair, cpu_log_ratio=pair.log_ratio + processor - wall, turns=(turn,))
        for pair in spread(wall, width, count)
    ]


def spread(centre: float, width: float, count: int = LOOKS[0]) -> list[Pair]:
    return pairs([centre + width * (number / (count - 1) - 0.5) for number in range(count)])


@pytest.mark.parametrize(
    ("centre", "width", "outcome"),
    [
        (0.05, 0.01, Outcome.WORSE),
        (-0.05, 0.01, Outcome.BETTER),
        (0.0, 0.01, Outcome.SAME),
        (0.005, 0.001, Outcome.SAME),
        (0.03, 0.2, Outcome.INCONCLUSIVE),
    ],
)
def test_a_verdict_follows_from_where_the_interval_lies(
    centre: float, width: float, outcome: Outcome
) -> None:
    assert settle(CASE, spread(centre, width), POLICY).outcome is outcome


def test_a_slow_down_by_either_clock_is_one_where_a_case_only_computes() -> None:
    (seen, hidden) = (settle(CASE, clocked(*centres), POLICY) for centres in ((0.05, 0.0), (0.005, 0.05)))
    assert seen.outcome is hidden.outcome is Outcome.WORSE
    assert "processor time +0.00%" in seen.reason
    assert hidden.reason.startswith("by processor time slower by at least --min-effect 1.0%")
    assert "wall clock +0.50%" in hidden.reason
    assert hidden.change is not None
    assert hidden.change.value == pytest.approx(math.expm1(0.05))


@pytest.mark.parametrize("share", [0.8, 1.3])
def test_processor_time_says_nothing_of_a_case_that_waits_or_has_threads(share: float) -> None:
    found = settle(CASE, clocked(0.0, 0.05, share=share), POLICY)
    assert found.outcome is Outcome.SAME
    assert "processor" not in found.reason
    assert settle(CASE, clocked(0.05, 0.0, share=share), POLICY).outcome is Outcome.WORSE


def test_what_is_the_same_by_the_wall_needs_no_proof_by_processor_time() -> None:
    noisy = [
        replace(pair, cpu_log_ratio=0.1 * (-1) ** pair.number) for pair in clocked(0.0, 0.0, width=0.002)
    ]
    assert settle(CASE, noisy, POLICY).outcome is Outcome.SAME


def test_fresh_pairs_confirm_by_either_clock() -> None:
    alarm = settle(CASE, clocked(0.005, 0.05), POLICY)
    for wall, processor, told in ((0.05, 0.0, "slower"), (0.005, 0.05, "by processor time slower")):
        again = {(CASE.name, "latency"): clocked(wall, processor, count=CONFIRMING)}
        (found,) = confirm([alarm], again, POLICY)
        assert found.outcome is Outcome.WORSE
        assert f"fresh pairs confirm it (p = 1e-07); {told}" in found.reason
    again = {(CASE.name, "latency"): clocked(0.0, 0.0, count=CONFIRMING)}
    assert confirm([alarm], again, POLICY)[0].outcome is Outcome.SAME


def test_identical_sides_are_called_worse_by_either_clock_in_one_of_a_hundred_at_most() -> None:
    draw = random.Random(5)
    turns = (((1.0, 1.0), (1.0, 1.0)),)

    def pair(number: int) -> Pair:
        drift = draw.gauss(0, 0.02)
        wall, processor = (drift + draw.gauss(0, 0.02) for _ in range(2))
        return Pair(CASE.name, number, seconds=(1.0, 1.0), log_ratio=wall, cpu_log_ratio=processor)

    worse = 0
    for _ in range(1000):
        taken = [replace(pair(number), turns=turns) for number in range(LOOKS[-1])]
        worse += any(settle(CASE, taken[:look], POLICY).outcome is Outcome.WORSE for look in LOOKS)
    assert worse <= 10


def test_an_inconclusive_verdict_says_how_many_more_pairs_it_would_take() -> None:
    found = settle(CASE, spread(0.015, 0.06), POLICY)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "more pairs would decide" in found.reason
    assert found.smallest is not None
    assert 0.01 < found.smallest < 0.06


def test_a_few_pairs_are_too_few_whatever_they_say() -> None:
    assert settle(CASE, pairs([0.5] * 5), POLICY).outcome is Outcome.INCONCLUSIVE


def test_a_case_that_only_the_old_side_can_measure_is_broken_and_only_the_new_one_is_new() -> None:
    for where, outcome in ((1, Outcome.BROKEN), (0, Outcome.NEW)):
        trouble = Pair(CASE.name, 0, problems={where: ("crashed", "died")})
        assert settle(CASE, [*spread(0.0, 0.01), trouble], POLICY).outcome is outcome
    trouble = Pair(CASE.name, 0, problems={0: ("crashed", "died"), 1: ("crashed", "died")})
    assert settle(CASE, [trouble], POLICY).outcome is Outcome.INCONCLUSIVE


def test_an_alarm_that_does_not_recur_does_not_fail() -> None:
    alarm = settle(CASE, spread(0.05, 0.01), POLICY)
    (found,) = confirm([alarm], {(CASE.name, "latency"): spread(0.0, 0.01, CONFIRMING)}, POLICY)
    assert found.outcome is Outcome.SAME
    assert "did not confirm" in found.reason


def test_an_alarm_that_was_not_measured_again_is_inconclusive() -> None:
    (found,) = confirm([settle(CASE, spread(0.05, 0.01), POLICY)], {}, POLICY)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "not measured again" in found.reason
