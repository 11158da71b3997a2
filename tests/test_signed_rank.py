"""The signed-rank interval and test, against scipy's own test and simulated pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon

from dsbench.stats.signed_rank import hodges_lehmann, holm, p_greater


def test_the_interval_holds_exactly_the_shifts_that_the_test_does_not_reject() -> None:
    values = np.random.default_rng(1).normal(0.02, 0.01, 12)
    found = hodges_lehmann(values.tolist(), 0.99)
    assert found.low is not None
    assert found.high is not None
    for edge, inside in ((found.low, 1e-9), (found.high, -1e-9)):
        assert wilcoxon(values - (edge + inside), method="exact").pvalue > 0.01
        assert wilcoxon(values - (edge - inside), method="exact").pvalue <= 0.01


@pytest.mark.parametrize(("pairs", "confidence"), [(6, 0.95), (12, 0.99), (24, 0.997)])
def test_the_interval_covers_at_least_as_often_as_it_says(pairs: int, confidence: float) -> None:
    draw = np.random.default_rng(2)
    found = [hodges_lehmann(draw.standard_t(3, pairs).tolist(), confidence) for _ in range(1000)]
    held = sum(e.low is not None and e.high is not None and e.low <= 0 <= e.high for e in found)
    assert held / 1000 >= confidence - 0.01


def test_one_pair_that_is_slow_for_its_whole_life_does_not_move_the_centre_far() -> None:
    steady = [0.001 * step for step in range(-5, 6)]
    assert abs(hodges_lehmann([*steady, 0.8]).value) < 0.002


def test_too_few_pairs_give_a_centre_without_an_interval() -> None:
    assert hodges_lehmann([0.1, 0.2, 0.3]).low is None


def test_pairs_that_do_not_differ_are_no_evidence() -> None:
    assert p_greater([0.0] * 12) == 1.0
    assert p_greater([0.01] * 12) == pytest.approx(2**-12)


def test_holm_adjusts_upwards_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
