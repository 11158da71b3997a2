"""Intervals over items: what they cover, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from dsbench.stats.bootstrap import paired


def _ratio(right: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    return right.sum(-1) / baseline.sum(-1)


@pytest.mark.parametrize("count", [5, 7, 20])
def test_the_interval_of_few_items_covers_the_truth_about_as_often_as_it_says(count: int) -> None:
    draw = np.random.default_rng(1)
    held = 0
    for seed in range(400):
        hardness = draw.normal(0.0, 0.1, count)
        baseline = 0.5 + hardness
        right = 0.96 * baseline + draw.normal(0.0, 0.01, count)
        found = paired([right.tolist(), baseline.tolist()], _ratio, draws=400, seed=seed)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.96 <= found.high
    assert 0.91 <= held / 400 <= 0.985


def test_pairing_takes_out_what_makes_items_hard() -> None:
    draw = np.random.default_rng(0)
    baseline = draw.uniform(0.2, 0.8, 10)
    found = paired([(0.97 * baseline).tolist(), baseline.tolist()], _ratio)
    assert found.value == pytest.approx(0.97)
    assert found.half_width == pytest.approx(0.0, abs=1e-9)


def test_the_same_numbers_give_the_same_interval() -> None:
    items = [[0.1, 0.5, 0.2, 0.9]]
    assert paired(items, lambda x: x.mean(-1)) == paired(items, lambda x: x.mean(-1))


def test_one_item_has_no_interval_and_none_is_an_error() -> None:
    assert paired([[0.5]], lambda x: x.mean(-1)).low is None
    with pytest.raises(ValueError, match="no items"):
        paired([[]], lambda x: x.mean(-1))
