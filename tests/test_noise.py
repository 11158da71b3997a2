"""What an A/A experiment says of a machine."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from click.testing import Result
from make_runs import a_case, measured

from dsbench.cli import exits
from dsbench.noise import assess
from dsbench.records import Measurement
from dsbench.stats.detectable import smallest_change

Dsbench = Callable[..., Result]


def rounds(draw: random.Random, offsets: list[float], spread: float) -> Measurement:
    readings = [[1e-3 * math.exp(offset + draw.gauss(0, spread)) for _ in range(21)] for offset in offsets]
    return measured(a_case("a"), "latency", {"latency": readings})


def test_noise_of_known_size_is_found_at_each_level() -> None:
    draw = random.Random(1)
    offsets = [draw.gauss(0, 0.10) for _ in range(200)]
    noise = assess(rounds(draw, offsets, 0.01), rounds(draw, offsets, 0.01), seconds=400.0)
    # The median absolute deviation of a normal distribution is 0.674 of its standard deviation.
    assert noise.within == pytest.approx(0.0067, rel=0.1)
    assert noise.between == pytest.approx(0.10, rel=0.2)
    assert noise.paired < 0.01
    assert noise.round_seconds == 2.0
    assert noise.honest


def test_two_candidates_that_differ_are_not_the_same_work() -> None:
    draw = random.Random(2)
    slower = [0.05] * 8
    noise = assess(rounds(draw, [0.0] * 8, 0.01), rounds(draw, slower, 0.01), seconds=8.0)
    assert not noise.honest
    assert noise.ratio.value == pytest.approx(math.exp(0.05), rel=0.01)


def test_what_can_be_seen_shrinks_with_time_and_needs_two_rounds() -> None:
    draw = random.Random(3)
    noise = assess(rounds(draw, [0.0, 0.1, 0.2], 0.01), rounds(draw, [0.0, 0.1, 0.2], 0.01), seconds=9.0)
    short, long = noise.smallest(60.0, paired=True), noise.smallest(600.0, paired=True)
    assert short is not None
    assert long is not None
    assert long < short / 2
    assert noise.smallest(5.0, paired=True) is None
    assert noise.smallest(10.0, paired=False) is None


@pytest.mark.parametrize("paired", [True, False])
def test_the_smallest_change_is_found_as_often_as_was_asked_for(paired: bool) -> None:
    draw, spread, count = random.Random(4), 0.02, 12
    change = smallest_change(spread, count, paired)
    assert change is not None
    found = 0
    for _ in range(2000):
        after = [math.log1p(change) + draw.gauss(0, spread) for _ in range(count)]
        before = [0.0 if paired else draw.gauss(0, spread) for _ in range(count)]
        found += differs(
            [a - b for a, b in zip(after, before, strict=True)] if paired else after, before, paired
        )
    assert 0.75 <= found / 2000 <= 0.85


def differs(after: list[float], before: list[float], paired: bool) -> bool:
    """Student's test at 5 %."""
    from scipy import stats

    test = stats.ttest_1samp(after, 0.0) if paired else stats.ttest_ind(after, before)
    return bool(test.pvalue < 0.05)


def test_an_experiment_needs_two_rounds() -> None:
    one = measured(a_case("a"), "latency", {"latency": [[1e-3] * 5]})
    with pytest.raises(ValueError, match="two rounds"):
        assess(one, one, seconds=1.0)


def test_the_doctor_says_how_small_a_change_this_machine_can_show(dsbench: Dsbench) -> None:
    done = dsbench("doctor", "--backend", "cpu", "--rounds", "2")
    assert done.exit_code == exits.OK
    assert "the smallest change it can show" in done.stdout
    assert "two candidates in one run" in done.stdout
    assert "the second took" in done.stdout
