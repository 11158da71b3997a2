"""Changes of a series' level: found where they are, and not where there are none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsbench.stats.changes import FEWEST, changes
from dsbench.stats.suspects import suspect

NOISE = 0.02


def noisy(*levels: tuple[int, float], seed: int = 0, tail: float = 0.0) -> list[float]:
    """Points around levels, each given as (how many, value); `tail` is the share of points twice as slow."""
    draw = np.random.default_rng(seed)
    logs = np.concatenate([np.full(count, math.log(value)) for count, value in levels])
    logs += draw.normal(0, NOISE, len(logs)) + math.log(2) * (draw.random(len(logs)) < tail)
    return list(np.exp(logs))


def two_states(count: int, seed: int, step: float = 0.0) -> list[float]:
    """A machine that is 15 % slower for a few points now and then; `step` changes the second half."""
    draw = np.random.default_rng(seed)
    slow = np.repeat(draw.random(count // 2) < 0.3, 2)
    logs = draw.normal(0, 0.01, count) + slow * math.log(1.15)
    logs[count // 2 :] += math.log1p(step)
    return list(np.exp(logs))


def test_a_step_is_found_with_its_size_its_place_and_their_intervals() -> None:
    (found,) = changes(noisy((60, 1e-3), (60, 1.05e-3)))
    assert found.earliest <= 60 <= found.latest
    assert abs(found.index - 60) <= 2
    assert found.size.low is not None
    assert found.size.high is not None
    assert found.size.low < 0.05 < found.size.high
    assert found.size.high - found.size.low < 0.04
    assert found.chance < 1e-4
    assert (found.before, found.after) == pytest.approx((1e-3, 1.05e-3), rel=0.01)


def test_intervals_of_size_and_place_hold_the_truth_about_as_often_as_they_say() -> None:
    held: list[tuple[bool, bool]] = []
    for seed in range(60):
        for found in changes(noisy((50, 1.0), (50, 1.04), seed=seed)):
            assert found.size.low is not None
            assert found.size.high is not None
            held.append((found.size.low <= 0.04 <= found.size.high, found.earliest <= 50 <= found.latest))
    assert len(held) >= 55
    assert [sum(column) / len(held) >= 0.85 for column in zip(*held, strict=True)] == [True, True]


def test_steps_up_and_down_are_both_found_in_order() -> None:
    found = changes(noisy((80, 1.0), (40, 1.2), (80, 1.0)))
    assert [change.index for change in found] == [pytest.approx(80, abs=1), pytest.approx(120, abs=1)]
    assert [change.size.value > 0 for change in found] == [True, False]


def test_noise_alone_shows_no_change() -> None:
    assert sum(len(changes(noisy((200, 1.0), seed=seed))) for seed in range(20)) <= 1


def test_points_twice_as_slow_are_no_change_and_hide_none() -> None:
    assert sum(len(changes(noisy((200, 1.0), seed=seed, tail=0.05))) for seed in range(20)) <= 1
    (found,) = changes(noisy((60, 1.0), (60, 1.1), tail=0.05))
    assert abs(found.index - 60) <= 2


def test_a_machine_that_switches_between_two_states_changes_rarely_and_a_real_step_is_still_found() -> None:
    assert sum(len(changes(two_states(200, seed))) for seed in range(20)) <= 2
    found = [changes(two_states(200, seed, step=0.05)) for seed in range(10)]
    assert sum(any(abs(change.index - 100) <= 5 for change in one) for one in found) >= 8


def test_values_that_repeat_exactly_change_only_where_they_do() -> None:
    assert changes([4096.0] * 40) == []
    (found,) = changes([4096.0] * 20 + [5120.0] * 20)
    assert (found.index, found.earliest, found.latest) == (20, 20, 20)
    assert found.size.value == pytest.approx(0.25, abs=0.01)


def test_zeros_are_a_level_like_any_other() -> None:
    (found,) = changes([0.0] * 20 + [1e-3] * 20)
    assert (found.index, found.before, found.after) == (20, 0.0, 1e-3)
    assert changes([0.0] * 20) == []


def test_changes_below_the_smallest_that_counts_are_not_told() -> None:
    assert changes([1.0] * 50 + [1.01] * 50)
    assert changes([1.0] * 50 + [1.01] * 50, least=0.02) == []


@pytest.mark.parametrize("count", range(FEWEST))
def test_too_few_points_say_nothing(count: int) -> None:
    assert changes([1.0, 2.0, 1.0, 5.0, 1.0, 2.0, 3.0, 1.0][:count]) == []
    assert suspect([1.0] * count) is None


def test_short_series_of_any_shape_are_survived() -> None:
    draw = np.random.default_rng(0)
    for count in (*range(8, 24), 499, 500, 501, 503):
        for values in (draw.lognormal(0, 1, count), np.arange(1.0, count + 1), np.full(count, 1e-9)):
            changes(list(values))
            suspect(list(values))


def test_a_change_at_the_seam_of_two_windows_is_found_once() -> None:
    for place in (498, 500, 503):
        (found,) = changes(noisy((place, 1.0), (1100 - place, 1.1)))
        assert abs(found.index - place) <= 1


def test_a_step_of_five_percent_is_suspected_within_five_points_and_no_step_is_rarely() -> None:
    stepped = [
        any(suspect(noisy((60, 1.0), (new, 1.05), seed=seed)) for new in range(2, 6)) for seed in range(20)
    ]
    assert sum(stepped) >= 15
    assert sum(suspect(noisy((60, 1.0), seed=seed)) is not None for seed in range(40)) <= 3


def test_a_suspect_says_since_when_and_how_much() -> None:
    found = suspect(noisy((60, 1.0), (4, 1.2)))
    assert found is not None
    assert found.index == 60
    assert found.size == pytest.approx(0.2, abs=0.04)


def test_one_odd_point_at_the_end_is_no_suspect() -> None:
    assert suspect([*noisy((60, 1.0)), 3.0]) is None
