"""Reports: numbers, aligned text, a run as a table, and which format needs what."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from make_runs import a_case, a_run, around, example, failed, measured
from report_rigs import HOSTILE, assert_golden

from dsbench.records import Measurement, Status, Work
from dsbench.reports import FORMATS, render, render_verdicts, units
from dsbench.reports.plain import align, clean, shorten
from dsbench.reports.rows import groups
from dsbench.reports.summary import headline
from dsbench.reports.table import WIDTH
from dsbench.stats.intervals import Estimate

# Units


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234e-3, "s", "1.23 ms"),
        (0.9996e-3, "s", "1.00 ms"),
        (12.34e-9, "s", "12.3 ns"),
        (1234.0, "s", "1234 s"),
        (0.0, "s", "0 s"),
        (2.34e-6, "J", "2.34 µJ"),
        (23.4e-3, "J", "23.4 mJ"),
        (36.9, "J", "36.9 J"),
        (5200.0, "J", "5.20 kJ"),
        (4.5 * 2**30, "B", "4.50 GiB"),
        (1023.9 * 2**20, "B", "1024 MiB"),
        (17.0, "B", "17 B"),
        (12.34e9, "FLOP/s", "12.3 GFLOP/s"),
        (989e12, "FLOP/s", "989 TFLOP/s"),
        (4.24e12, "B/s", "4.24 TB/s"),
        (1289.6, "req/s", "1290 req/s"),
        (0.5, "req/s", "0.50 req/s"),
        (2.13e-7, "1", "2.1e-07"),
        (0.0, "1", "0"),
        (3.0, "tokens", "3 tokens"),
        (3.0, "", "3"),
        (math.inf, "s", "inf s"),
        (None, "s", "–"),
    ],
)
def test_a_number_has_three_digits_and_a_fitting_prefix(value: float | None, unit: str, text: str) -> None:
    assert units.human(value, unit) == text


def test_an_interval_stands_beside_its_number_as_half_its_width() -> None:
    assert units.estimate(Estimate(1e-3, 0.98e-3, 1.02e-3), "s") == "1.00 ms ±2 %"
    assert units.estimate(Estimate(1e-3, 0.996e-3, 1.004e-3), "s") == "1.00 ms ±0.4 %"
    assert units.estimate(Estimate(1e-3, 0.99999e-3, 1.00001e-3), "s") == "1.00 ms ±<0.1 %"
    assert units.estimate(Estimate(1e-3, 1e-3, 1e-3), "s") == "1.00 ms ±0 %"
    assert units.estimate(Estimate(1e-3, 0.5e-3, 4e-3), "s") == "1.00 ms ±>100 %"
    assert units.estimate(Estimate(1e-3), "s") == "1.00 ms"
    assert units.estimate(Estimate(0.0, 0.0, 0.0), "s") == "0 s"
    assert units.estimate(None, "s") == "–"


def test_ratios_and_changes_read_as_such() -> None:
    assert units.ratio(Estimate(1.0712, 1.05, 1.09)) == "1.07× ±2 %"
    assert units.ratio(None) == "–"
    assert units.percent(0.032) == "3.2 %"
    assert units.change(Estimate(0.032, -0.011, 0.053)) == "+3.2 % [−1.1 %, +5.3 %]"
    assert units.change(Estimate(0.0)) == "0 %"
    assert units.change(Estimate(2.0)) == "+200 %"
    assert units.change(None) == "–"


# Plain text


def test_clean_text_is_one_line_that_cannot_move_the_cursor_or_reorder_itself() -> None:
    assert clean("a\n b\tc\x1b[2J\u202e") == "a  b c\\x1b[2J\\u202e"
    for text in HOSTILE:
        assert clean(text).isprintable()


def test_shortened_text_is_as_wide_as_asked_and_says_that_it_was_cut() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("日本語", 5) == "日本…"


def test_the_first_column_gives_way_and_a_short_row_runs_on_to_the_edge() -> None:
    lines = align(["name", "value"], [["n" * 40, "12"], ["x", "9"], ["a-reason-" * 9]], width=30)
    assert [len(line) for line in lines] == [30, 30, 30, 30]
    assert lines[1].endswith("…     12")
    assert lines[3].endswith("…")


# A run as a table


def test_a_table_is_what_it_was() -> None:
    run = example(suite_errors={"vision": "ModuleNotFoundError: No module named 'PIL'"})
    assert_golden("report.txt", render(run, "table"))


def test_a_table_is_at_most_110_columns_wide_whatever_it_holds() -> None:
    wide = a_run(
        measured(
            a_case("candidate_" * 20 + str(n), N=n, mode="m" * 300),
            "latency",
            {"latency": around(1e-3), "latency_cold": around(1e-3)},
            Work(1e9),
            unstable="r" * 500,
        )
        for n in (1, 2)
    )
    lines = render(wide, "table").splitlines()
    assert max(len(line) for line in lines) <= WIDTH
    assert sum("1.00 ms ±2 %" in line for line in lines) == 2


def test_a_case_without_numbers_shows_its_status_and_reason_in_its_row() -> None:
    text = render(example(), "table")
    assert "math        oom          tried to allocate 64.00 GiB of 80 GiB" in text
    assert "fp8         unsupported  needs compute capability 8.9, has 8.0" in text


def test_a_failed_probe_beside_others_shows_its_status_in_its_cells_and_its_reason_once() -> None:
    lines = render(example(), "table").splitlines()
    assert sum("this device does not count its memory (6 cases)" in line for line in lines) == 1
    assert sum(line.split()[:1] == ["flash"] and "unsupported" in line for line in lines) == 6


def test_a_metric_without_a_column_is_named_below() -> None:
    assert "also measured: latency_cold" in render(example(), "table")


def test_the_ratio_is_the_candidates_time_over_the_baselines_at_the_same_point() -> None:
    points = (1, 2)
    found = [
        measured(a_case(name, N=n), "latency", {"latency": around(seconds * n)})
        for n in points
        for name, seconds in (("math", 1e-3), ("flash", 0.25e-3))
    ]
    (group,) = groups(a_run(found))
    for row in group.rows:
        assert row.ratio is not None
        assert row.ratio.value == pytest.approx(1.0 if row.is_baseline else 0.25)
        assert row.ratio.low is not None
        assert row.ratio.high is not None
        # Both scatter alike here, round by round, so that their ratio is known exactly.
        assert row.ratio.low == pytest.approx(row.ratio.high)


@pytest.mark.parametrize(
    "base",
    [
        failed(a_case("math"), "latency", Status.OOM, "too large"),
        measured(a_case("math"), "latency", {"latency": [[0.0], [0.0]]}),
        measured(a_case("math"), "memory", {"peak_memory": [[1.0]]}),
    ],
    ids=["failed", "zero", "never timed"],
)
def test_there_is_no_ratio_to_a_baseline_without_a_time(base: Measurement) -> None:
    other = measured(a_case("flash"), "latency", {"latency": around(1e-3)})
    (group,) = groups(a_run([base, other]))
    assert [row.ratio for row in group.rows] == [None, None]


def test_one_round_gives_a_ratio_without_an_interval() -> None:
    found = [
        measured(a_case(name), "latency", {"latency": around(seconds, rounds=1)})
        for name, seconds in (("math", 1e-3), ("flash", 2e-3))
    ]
    (group,) = groups(a_run(found))
    ratio = group.rows[1].ratio
    assert ratio is not None
    assert ratio.value == pytest.approx(2.0)
    assert ratio.low is None


def test_an_unsupported_probe_does_not_speak_for_a_case_that_another_probe_measured() -> None:
    case = a_case()
    found = [
        measured(case, "latency", {"latency": around(1e-3)}),
        failed(case, "memory", Status.UNSUPPORTED, "no counter"),
    ]
    run = a_run(found)
    assert headline(run, groups(run)) == "1 case: 1 ok"


def test_rows_are_in_the_order_of_the_plan_not_in_that_of_measuring() -> None:
    found = [
        measured(a_case(name, N=n), "error", {"error": [[0.1]]}) for n in (1, 2) for name in ("math", "a")
    ]
    run = a_run(found)
    shuffled = replace(run, measurements=tuple(reversed(found)))
    assert render(shuffled, "table") == render(run, "table")


def test_a_run_without_any_measurement_is_shown_too() -> None:
    empty = a_run([], planned=("a.b.c",), ended=None)
    for style in FORMATS:
        assert render(empty, style).strip()
    assert "1 case: 1 not measured" in render(empty, "table")


def test_a_benchmark_without_any_number_has_a_column_of_reasons() -> None:
    run = a_run([failed(a_case(), "latency", Status.OOM, "too large " * 50)])
    lines = render(run, "table").splitlines()
    header = next(number for number, line in enumerate(lines) if "candidate" in line)
    assert lines[header] == "    candidate  status  reason"
    assert lines[header + 1].startswith("    math       oom     too large too large")
    assert len(lines[header + 1]) <= WIDTH
    assert '<th class="text">reason</th>' in render(run, "html")


# Which format


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no format 'pdf' for a run; use one of table, json"):
        render(example(), "pdf")
    with pytest.raises(ValueError, match=r"no format 'csv' for verdicts; use one of table, json"):
        render_verdicts([], "csv", exit_code=4)


def test_text_markdown_and_json_import_neither_pandas_nor_plotly_nor_torch() -> None:
    program = """
import sys
from make_runs import example
from dsbench.gate import judge
from dsbench.reports import render, render_verdicts
run = example()
for style in ("table", "json", "markdown"):
    render(run, style)
    render_verdicts(judge(run.measurements, run.measurements), style, exit_code=0)
print([name for name in ("pandas", "plotly", "torch", "asv") if name in sys.modules])
"""
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
