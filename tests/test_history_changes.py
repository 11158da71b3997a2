"""Changes of many series: what moved together, what is new, what looks odd just now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from make_runs import a_case

from dsbench.changes import find_events, find_shifts, size_of, suspects
from dsbench.history import Point, Series
from dsbench.history.steps import asv_steps
from dsbench.looks import SEEN, Looks
from dsbench.records import Status
from dsbench.runs import RunError
from dsbench.stats.intervals import Estimate

DAY = 86_400.0


def a_series(
    values: Sequence[float | None],
    name: str = "flash",
    metric: str = "latency",
    machine: str = "m1",
    first: int = 0,
) -> Series:
    """A series with a point a day; None stands for a commit at which the case failed."""
    points = tuple(
        Point(f"{number:08x}", number * DAY, Estimate(value), Status.OK, "", "r")
        if value is not None
        else Point(f"{number:08x}", number * DAY, None, Status.OOM, "too large", "r")
        for number, value in enumerate(values, start=first)
    )
    return Series(machine, "dsbench-cpu-py3.12", "CPU", a_case(name, N=64), metric, points)


def stepped(at: int, step: float, count: int = 80, seed: int = 0) -> list[float | None]:
    draw = np.random.default_rng(seed)
    return [1e-3 * (1 + step * (n >= at)) * float(np.exp(draw.normal(0, 0.01))) for n in range(count)]


def test_cases_that_move_at_the_same_commit_are_one_event_and_others_are_another() -> None:
    events = find_events(
        [
            a_series(stepped(40, 0.2), "flash"),
            a_series(stepped(40, 0.1, seed=1), "eager"),
            a_series(stepped(40, -0.3, seed=2), "flash", machine="m2"),
            a_series(stepped(60, 0.2, seed=3), "other"),
            a_series(stepped(0, 0.0, seed=4), "still"),
        ]
    )
    assert [(event.commit, len(event.shifts)) for event in events] == [(f"{60:08x}", 1), (f"{40:08x}", 3)]
    assert {shift.worse for shift in events[1].shifts} == {True, False}


def test_a_shift_names_the_commits_between_which_it_came_also_where_some_failed() -> None:
    values = stepped(40, 0.2)
    values[39:42] = [None, None, None]
    (shift,) = find_shifts(a_series(values))
    assert (shift.last_before.commit, shift.point.commit) == (f"{38:08x}", f"{42:08x}")
    assert shift.first_after.commit == f"{42:08x}"


def test_more_of_a_metric_that_should_be_low_is_worse() -> None:
    (slower,) = find_shifts(a_series(stepped(40, 0.2)))
    (faster,) = find_shifts(a_series(stepped(40, -0.2)))
    assert (slower.worse, faster.worse) == (True, False)


def test_a_deterministic_metric_changes_when_it_leaves_its_tolerance() -> None:
    size = [2.0**30] * 20
    assert find_shifts(a_series([*size, *[2.0**30 * 1.01] * 20], metric="peak_memory")) == []
    (shift,) = find_shifts(a_series([*size, *[2.0**30 * 1.05] * 20], metric="peak_memory"))
    assert shift.point.commit == f"{20:08x}"


def test_a_change_from_zero_has_no_relative_size() -> None:
    (shift,) = find_shifts(a_series([0.0] * 20 + [1e-3] * 20, metric="error"))
    assert (shift.change.before, shift.change.after, size_of(shift), shift.worse) == (0.0, 1e-3, None, True)


@pytest.mark.parametrize("values", [[], [1e-3], [None] * 20, [None, 1e-3, None]])
def test_series_with_hardly_a_number_have_neither_changes_nor_suspects(values: list[float | None]) -> None:
    assert find_events([a_series(values)]) == []
    assert suspects([a_series(values)]) == []


def test_suspects_are_the_series_whose_newest_points_moved_the_worse_ones_first() -> None:
    found = suspects(
        [
            a_series(stepped(77, -0.3), "better"),
            a_series(stepped(77, 0.2, seed=1), "worse"),
            a_series(stepped(0, 0.0, seed=2), "still"),
            a_series([*stepped(77, 0.2, seed=3), None], "failed since"),
        ]
    )
    assert [(one.series.case.candidate, one.worse) for one in found] == [("worse", True), ("better", False)]
    assert found[0].point.commit == f"{77:08x}"


def test_a_change_is_new_until_it_was_marked_as_seen_and_stays_old_as_points_are_added(
    tmp_path: Path,
) -> None:
    values = stepped(40, 0.05, count=60)
    (before,) = find_shifts(a_series(values[:50]))
    assert Looks(tmp_path).new(before)
    Looks(tmp_path).mark([before])
    later = find_shifts(a_series(values))
    assert [Looks(tmp_path).new(shift) for shift in later] == [False]
    (other,) = find_shifts(a_series(stepped(40, 0.05), "other case"))
    (back,) = find_shifts(a_series(stepped(40, -0.05)))
    assert Looks(tmp_path).new(other)
    assert Looks(tmp_path).new(back)


def test_a_damaged_file_of_what_was_seen_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / SEEN).write_text("{ not json\n")
    with pytest.raises(RunError, match="delete it"):
        Looks(tmp_path)


def test_asv_sees_a_plain_step_where_it_is_and_none_in_a_series_without() -> None:
    assert asv_steps([1.0] * 20 + [2.0] * 20) == [20]
    assert asv_steps([1.0] * 20) == []
    assert asv_steps([]) == []
