"""Figures: what is drawn, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest
from make_runs import a_case, a_run, around, example, failed, measured

from dsbench.records import Run, Status
from dsbench.reports.figures import PALETTE, figures, main_axis
from dsbench.reports.rows import groups


def drawn(run: Run) -> dict[str, Any]:
    return {shown.title: shown.figure for group in groups(run) for shown in figures(group)}


def test_there_is_a_figure_for_each_combination_of_the_axes_but_the_one_with_most_values() -> None:
    (attention, _) = groups(example())
    assert main_axis(attention) == "N"
    assert list(drawn(example())) == [
        f"{what} at D={d}" for d in (64, 128) for what in ("latency", "peak memory", "error against latency")
    ]


def test_latency_has_a_line_a_candidate_with_its_interval_on_logarithmic_axes() -> None:
    figure = drawn(example())["latency at D=64"]
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert [line.name for line in figure.data] == ["math", "flash", "block_topk"]
    (group, _) = groups(example())
    latency = group.rows[0].metrics["latency"]
    line = figure.data[0]
    assert list(line.x) == [1024, 4096, 16384]
    assert latency.low is not None
    assert line.error_y.arrayminus[0] == pytest.approx(latency.value - latency.low)


def test_a_missing_number_is_a_gap_in_its_line() -> None:
    found = [
        failed(a_case(N=n), "latency", Status.OOM, "too large")
        if n == 2
        else measured(a_case(N=n), "latency", {"latency": around(1e-3)})
        for n in (1, 2, 3)
    ]
    (line,) = drawn(a_run(found))["latency"].data
    assert list(line.x) == [1, 2, 3]
    assert line.y[1] is None
    assert line.connectgaps is False


def test_a_candidate_keeps_its_colour_where_an_earlier_one_is_absent() -> None:
    pictures = drawn(example())
    colours = {line.name: line.line.color for line in pictures["peak memory at D=64"].data}
    assert colours == {"math": PALETTE[0], "block_topk": PALETTE[2]}


def test_a_zero_lies_on_the_edge_of_a_logarithmic_axis_rather_than_nowhere() -> None:
    found = [
        measured(a_case(N=n), probe, {reading: [[value]]})
        for n in (1, 2)
        for probe, reading, value in (("latency", "latency", 1e-3), ("error", "error", (n - 1) * 1e-6))
    ]
    figure = drawn(a_run(found))["error against latency"]
    assert figure.data[0].y[0] == pytest.approx(10 ** figure.layout.yaxis.range[0])


def test_numbers_that_are_all_zero_get_a_linear_axis() -> None:
    found = [measured(a_case(N=n), "memory", {"peak_memory": [[0.0]]}) for n in (1, 2)]
    figure = drawn(a_run(found))["peak memory"]
    assert figure.layout.yaxis.type == "linear"
    assert list(figure.data[0].y) == [0.0, 0.0]


def test_a_benchmark_without_axes_shows_its_candidates_side_by_side() -> None:
    found = [measured(a_case(name), "latency", {"latency": around(1e-3)}) for name in ("math", "flash")]
    figure = drawn(a_run(found))["latency"]
    assert figure.layout.xaxis.type == "category"
    assert [line.x[0] for line in figure.data] == ["math", "flash"]


def test_an_axis_with_a_single_value_goes_unmentioned_in_titles() -> None:
    found = [
        measured(a_case(N=n, D=64, causal=c), "latency", {"latency": around(1e-3)})
        for c in (True, False)
        for n in (1, 2)
    ]
    assert list(drawn(a_run(found))) == ["latency at causal=True", "latency at causal=False"]


def test_a_single_number_makes_no_figure() -> None:
    assert drawn(a_run([measured(a_case(), "latency", {"latency": around(1e-3)})])) == {}


def test_figures_hold_no_markup_of_their_own_from_a_name() -> None:
    run = a_run(
        measured(a_case("<a href='https://evil.example'>", N=n), "latency", {"latency": around(1e-3)})
        for n in (1, 2)
    )
    line = drawn(run)["latency"].data[0]
    assert "<a" not in line.name
    assert "<a" not in line.hovertext[0]
