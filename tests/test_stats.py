"""Intervals and comparisons against values worked out elsewhere, and against chance."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from scipy import stats

from dsbench.stats.intervals import Estimate, of_median, of_rounds
from dsbench.stats.two_sample import log_ratio, paired_log_ratio


def test_the_interval_of_a_median_lies_between_the_order_statistics_of_the_tables() -> None:
    # n = 10 at 95 %: the 2nd and the 9th value, coverage 97.9 % (Conover, table A3).
    assert of_median([float(n) for n in range(1, 11)]) == Estimate(5.5, 2.0, 9.0)
    # n = 20: the 6th and the 15th.
    assert of_median([float(n) for n in range(1, 21)]) == Estimate(10.5, 6.0, 15.0)


def test_five_readings_cannot_carry_a_95_percent_interval_and_six_can() -> None:
    assert of_median([1.0, 2.0, 3.0, 4.0, 5.0]) == Estimate(3.0)
    assert of_median([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == Estimate(3.5, 1.0, 6.0)


def test_the_interval_of_a_median_holds_the_true_median_at_least_as_often_as_it_says() -> None:
    draw = random.Random(1)
    held = 0
    for _ in range(1000):
        estimate = of_median([draw.lognormvariate(0, 1) for _ in range(15)])
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 1.0 <= estimate.high
    assert 940 <= held <= 990


def test_rounds_give_students_interval_on_their_logarithms() -> None:
    estimate = of_rounds([[math.exp(1.0)], [math.exp(2.0)], [math.exp(3.0)]])
    assert estimate.value == pytest.approx(math.exp(2.0))
    assert estimate.high == pytest.approx(math.exp(2.0 + 4.302653 / math.sqrt(3)), rel=1e-5)


def test_the_interval_of_rounds_covers_offsets_between_processes() -> None:
    draw, held = random.Random(2), 0
    for _ in range(1000):
        rounds = []
        for _ in range(5):
            offset = draw.gauss(0, 0.05)  # a process's luck, shared by all its readings
            rounds.append([math.exp(offset + draw.gauss(0, 0.01)) for _ in range(20)])
        estimate = of_rounds(rounds)
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 1.0 <= estimate.high
    assert 930 <= held <= 970


def test_readings_that_are_not_positive_are_averaged_as_they_are() -> None:
    assert of_rounds([[0.0], [2.0]]).value == 1.0


def test_a_log_ratio_is_the_difference_of_mean_logs_with_welchs_interval() -> None:
    before, after = [[1.0], [1.1], [0.9]], [[2.0], [2.3], [1.9], [2.1]]
    found = log_ratio(before, after, confidence=0.95)
    assert found.value == pytest.approx((0.6931 + 0.8329 + 0.6419 + 0.7419) / 4 + 0.0034, abs=1e-3)
    logs = [[math.log(value[0]) for value in side] for side in (after, before)]
    expected = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_round_gives_a_ratio_without_an_interval() -> None:
    assert log_ratio([[1.0, 1.0]], [[2.0], [2.0]]) == Estimate(math.log(2.0))


def test_rounds_without_spread_give_an_exact_ratio() -> None:
    assert log_ratio([[1.0], [1.0]], [[2.0], [2.0]]) == Estimate(math.log(2), math.log(2), math.log(2))


def test_equal_sides_are_called_different_as_rarely_as_the_confidence_says() -> None:
    draw, alarms = random.Random(3), 0
    quantile = NormalDist().inv_cdf(0.99)
    for _ in range(1000):
        sides = [[[math.exp(draw.gauss(0, 0.03))] for _ in range(5)] for _ in range(2)]
        found = log_ratio(*sides, confidence=0.99)
        assert found.low is not None
        assert found.high is not None
        alarms += not found.low <= 0.0 <= found.high
    assert alarms <= 10 + quantile * math.sqrt(10)


def test_a_paired_ratio_does_not_see_what_hits_a_whole_round() -> None:
    drift = {0: 1.0, 1: 3.0, 2: 0.5, 3: 2.0}
    before = {number: [offset * 0.99, offset, offset * 1.01] for number, offset in drift.items()}
    after = {number: [offset * 1.1] for number, offset in drift.items()}
    found = paired_log_ratio(before, after)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert math.exp(found.value) == pytest.approx(1.1)
    assert found.high - found.low < 1e-9


def test_a_paired_ratio_needs_rounds_in_common() -> None:
    assert paired_log_ratio({0: [1.0]}, {1: [1.0]}) is None
    assert paired_log_ratio({0: [1.0], 1: [1.0]}, {1: [2.0]}) == Estimate(math.log(2.0))


def test_a_paired_interval_holds_the_truth_as_often_as_it_says() -> None:
    draw = random.Random(3)
    covered = 0
    for _ in range(1000):
        rounds = {number: draw.gauss(0, 0.3) for number in range(5)}
        before = {number: [math.exp(drift + draw.gauss(0, 0.02))] for number, drift in rounds.items()}
        after = {number: [1.05 * math.exp(drift + draw.gauss(0, 0.02))] for number, drift in rounds.items()}
        found = paired_log_ratio(before, after)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= math.log(1.05) <= found.high
    assert 930 <= covered <= 970
