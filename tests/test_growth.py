"""Slopes, their intervals, and what growth is called."""

from __future__ import annotations

import math
import random

import pytest

from dsbench.stats.growth import LOOKS, Growth, Word, judge, slope, worst
from dsbench.stats.intervals import Estimate


def test_the_slope_of_a_line_is_exact_and_so_is_its_interval() -> None:
    assert slope([100.0 + 64 * block for block in range(16)], spacing=8) == Estimate(8, 8, 8)


def test_a_fifth_of_outliers_does_not_move_the_slope() -> None:
    draw = random.Random(1)
    values = [10.0 * block + (1e6 if block % 5 == 0 else draw.random()) for block in range(32)]
    assert slope(values).value == pytest.approx(10, rel=0.05)


def test_the_interval_covers_the_slope_as_often_as_it_says() -> None:
    draw = random.Random(2)
    held = 0
    for _ in range(300):
        found = slope([3.0 * block + draw.gauss(0, 20) for block in range(16)], confidence=0.9)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 3.0 <= found.high
    assert 0.85 <= held / 300 <= 0.95


@pytest.mark.parametrize("blocks", LOOKS)
@pytest.mark.parametrize("leak", [1.0, 1024.0, 1e9])
def test_steady_growth_above_the_budget_is_a_leak(blocks: int, leak: float) -> None:
    found = judge([leak * block for block in range(blocks)], steps=1, budget=leak / 2)
    assert (found.word, found.slope.value) == (Word.LEAK, pytest.approx(leak))


def test_growth_within_the_budget_is_clean() -> None:
    assert judge([100.0 * block for block in range(16)], steps=1, budget=256).word is Word.CLEAN


def test_what_is_steady_is_clean_at_the_first_look_whatever_it_holds() -> None:
    assert judge([5e9] * LOOKS[0], steps=4, budget=0).word is Word.CLEAN


def test_readings_that_only_scatter_are_never_called_a_leak() -> None:
    draw = random.Random(3)
    words = [
        judge([draw.choice([0.0, 4096.0, 65536.0]) for _ in range(blocks)], steps=4, budget=256).word
        for blocks in LOOKS
        for _ in range(200)
    ]
    assert words.count(Word.LEAK) <= 0.01 * len(words)


def test_a_cache_that_was_full_after_the_first_half_is_clean() -> None:
    filled = [1024.0 * min(block, 30) for block in range(64)]
    assert judge(filled, steps=1, budget=256).word is Word.CLEAN


@pytest.mark.parametrize("pace", [20, 40, 80, 140])
def test_a_cache_that_still_fills_is_unknown_with_the_reason(pace: int) -> None:
    filling = [1e6 * (1 - math.exp(-block / pace)) for block in range(64)]
    found = judge(filling, steps=1, budget=256)
    assert found.word is Word.UNKNOWN
    assert "slows down" in found.why


def test_an_interval_around_the_budget_is_unknown_with_its_ends() -> None:
    draw = random.Random(4)
    found = judge([100.0 * block + draw.gauss(0, 300) for block in range(16)], steps=1, budget=100)
    assert found.word is Word.UNKNOWN
    assert found.why.endswith("may or may not be above 100")


def test_one_leak_suffices_and_all_have_to_be_clean() -> None:
    clean, unknown, leak = (Growth(word, Estimate(0)) for word in (Word.CLEAN, Word.UNKNOWN, Word.LEAK))
    assert worst([clean, unknown, leak]) is Word.LEAK
    assert worst([clean, unknown]) is Word.UNKNOWN
    assert worst([clean, clean]) is Word.CLEAN
