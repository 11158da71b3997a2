"""Means over seeds and items: how often the interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from dsbench.stats.crossed import items_needed, of_crossed


def test_the_mean_is_over_all_answers() -> None:
    assert of_crossed([[1, 0, 1, 1], [1, 0, 0, 1]], (0.0, 1.0)).value == pytest.approx(5 / 8)


def drawn(seed: int, items: int, of_seed: float) -> tuple[list[list[float]], float]:
    """Differences of two models on items drawn from a population, with the population's mean: an item is
    lost or gained with a chance of its own, and a seed moves all chances."""
    draw = np.random.default_rng(seed)
    lost, gained = draw.beta(0.2, 5, items), draw.beta(0.1, 5, items)
    truth = 0.1 / 5.1 - 0.2 / 5.2
    rows = []
    for _ in range(5):
        shift = draw.normal(0, of_seed)
        chance = draw.random(items)
        rows.append(((chance < gained + max(shift, 0)) * 1.0 - (chance > 1 - lost + min(shift, 0))).tolist())
    return rows, truth


@pytest.mark.parametrize(("items", "of_seed"), [(100, 0.0), (1000, 0.0), (1000, 0.01)])
def test_the_interval_holds_the_truth_as_often_as_it_says(items: int, of_seed: float) -> None:
    held = 0
    for seed in range(300):
        rows, truth = drawn(seed, items, of_seed)
        found = of_crossed(rows, (-1.0, 1.0))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held / 300 >= 0.92


def test_taking_all_answers_for_independent_would_hold_it_too_rarely() -> None:
    held = 0
    for seed in range(300):
        rows, truth = drawn(seed, 1000, of_seed=0.01)
        flat = np.ravel(rows)
        held += abs(flat.mean() - truth) <= 1.96 * flat.std() / len(flat) ** 0.5
    assert held / 300 < 0.9


def test_models_that_agree_on_every_item_may_still_differ_on_the_next() -> None:
    found = of_crossed([[0.0] * 899] * 5, (-1.0, 1.0))
    assert found.value == 0.0
    assert found.high == pytest.approx(0.0031, abs=1e-4)
    assert found.low == -found.high


def test_a_single_seed_gives_an_interval_over_items() -> None:
    found = of_crossed([[1.0] * 60 + [0.0] * 40], (0.0, 1.0))
    assert found.low == pytest.approx(0.505, abs=0.005)
    assert found.high == pytest.approx(0.695, abs=0.005)


def test_seeds_that_differ_widen_the_interval_beyond_that_of_items() -> None:
    alike = of_crossed([[1.0] * 95 + [0.0] * 5] * 3, (0.0, 1.0))
    apart = of_crossed([[1.0] * (n) + [0.0] * (100 - n) for n in (80, 95, 99)], (0.0, 1.0))
    assert alike.high is not None
    assert alike.low is not None
    assert apart.low is not None
    assert alike.high - alike.low < 0.1
    assert apart.value - apart.low > 0.1


def test_the_interval_stays_within_what_can_be() -> None:
    found = of_crossed([[1.0] * 10, [1.0] * 9 + [0.0]], (0.0, 1.0))
    assert found.high == 1.0


def test_items_that_are_needed_make_an_interval_as_wide_as_was_asked_for() -> None:
    rows = [([1.0] + [0.0] * 24 + [-1.0] + [0.0] * 24) * 20] * 5
    count = items_needed(rows, margin=0.01)
    repeated = [(row * (count // 1000 + 1))[:count] for row in rows]
    found = of_crossed(repeated, (-1.0, 1.0))
    assert found.high is not None
    assert found.low is not None
    assert (found.high - found.low) / 2 == pytest.approx(0.01, rel=0.01)


def test_models_that_agree_on_everything_still_need_items_to_show_it() -> None:
    count = items_needed([[0.0] * 50] * 5, margin=0.01)
    found = of_crossed([[0.0] * count] * 5, (-1.0, 1.0))
    assert found.high == pytest.approx(0.01, rel=0.01)
