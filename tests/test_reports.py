"""Reports: what a person or a program reads of a run and of verdicts.

Golden files lie in ``tests/golden``; ``UPDATE_GOLDEN=1 pytest tests/test_reports.py`` writes them anew.
"""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from make_runs import a_case, a_run, an_environment, around, example, failed, measured
from plotly.offline import get_plotlyjs

from dsbench.gate import Outcome, Verdict, judge
from dsbench.records import Case, Measurement, Run, Sample, Status, Work
from dsbench.reports import FORMATS, VERDICT_FORMATS, render, render_verdicts, units
from dsbench.reports.figures import PALETTE, figures, main_axis
from dsbench.reports.markdown import LIMIT, escape, verdicts_markdown
from dsbench.reports.page import html
from dsbench.reports.plain import align, clean, shorten
from dsbench.reports.rows import groups
from dsbench.reports.summary import headline, warnings
from dsbench.reports.table import WIDTH
from dsbench.reports.verdicts import verdicts_text
from dsbench.stats.intervals import Estimate

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "\"'><img src=https://evil.example/x onerror=alert(3)>",
    "left \u202e right \u200f mark \u2066",
    "bell \x07 and escape \x1b[2J and nul \x00",
    "lone \ud800 surrogate",
    "${title} $body `tick` | pipe ``` \\ [link](https://evil.example) @everyone *bold*",
    "%{x} <a href='https://evil.example'>text</a> &lt;b&gt;",
    "x" * 10_240,
]


def assert_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def small() -> Run:
    """A run whose numbers need no rounding, for a golden file of exact numbers."""
    case = a_case("math", N=1024)
    memory = measured(case, "memory", {"peak_memory": [[4096.0]]})
    latency = measured(
        case, "latency", {"latency": [[0.5, 0.25, 1.0]]}, Work(flops=8.0, bytes=2.0), mark="hot"
    )
    crash = failed(
        a_case("flash", N=1024), "latency", Status.CRASHED, "the worker died of SIGSEGV", "last line"
    )
    planned = ("attention.prefill.math[N=1024]", "attention.prefill.flash[N=1024]", "attention.prefill.late")
    return a_run([latency, memory, crash], planned=planned, ended=None)


def hostile() -> Run:
    """A run in which every text that a suite, a worker or git can choose is hostile."""
    texts = "\n".join(HOSTILE)
    found: list[Measurement] = []
    for text in HOSTILE:
        case = Case(text, text, text, ((text, text), ("N", 1)))
        larger = replace(case, point=((text, text), ("N", 2)))
        found += [
            measured(case, "latency", {"latency": around(1e-3)}, unstable=text, mark=text),
            measured(larger, "latency", {"latency": around(2e-3)}),
            failed(replace(case, candidate=f"{text}2"), "latency", Status.CRASHED, text, detail=texts),
            failed(replace(case, candidate=f"{text}3"), "latency", Status.UNSUPPORTED, text),
        ]
    environment = an_environment(machine=texts, subject=texts, os=texts, versions={texts: texts})
    return a_run(
        found,
        id=HOSTILE[1],
        environment=environment,
        settings={"quick": True, "command": HOSTILE, HOSTILE[1]: HOSTILE[1]},
        suite_errors={texts: texts},
        baselines={f"{text}.{text}": text for text in HOSTILE},
    )


def some_verdicts() -> list[Verdict]:
    case = a_case("flash", N=4096, D=64)
    return [
        Verdict(Outcome.SAME, case, "error", Estimate(2e-7), Estimate(2e-7), Estimate(0.0), 0.05, "equal"),
        Verdict(
            Outcome.WORSE,
            case,
            "latency",
            Estimate(1e-3, 0.99e-3, 1.01e-3),
            Estimate(1.2e-3, 1.19e-3, 1.21e-3),
            Estimate(0.2, 0.18, 0.22),
            0.05,
            "the whole interval is on the bad side",
        ),
        Verdict(
            Outcome.WORSE,
            case,
            "peak_memory",
            Estimate(2.0**20),
            Estimate(2.0**21),
            Estimate(1.0),
            0.02,
            "twice",
        ),
        Verdict(Outcome.MISSING, a_case("math", N=4096, D=64), reason="it is absent now"),
    ]


DIFFERENCE = {"driver": ("550.1", "580.2"), "torch": ("2.12", "2.13")}


# Units


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234e-3, "s", "1.23 ms"),
        (0.9996e-3, "s", "1.00 ms"),
        (12.34e-9, "s", "12.3 ns"),
        (1234.0, "s", "1234 s"),
        (0.0, "s", "0 s"),
        (4.5 * 2**30, "B", "4.50 GiB"),
        (1023.9 * 2**20, "B", "1024 MiB"),
        (17.0, "B", "17 B"),
        (12.34e9, "FLOP/s", "12.3 GFLOP/s"),
        (989e12, "FLOP/s", "989 TFLOP/s"),
        (4.24e12, "B/s", "4.24 TB/s"),
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
        assert row.ratio.low < row.ratio.value < row.ratio.high


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


# Warnings


def said(run: Run) -> str:
    return "\n".join(warnings(run, groups(run)))


def test_a_run_without_doubts_has_no_warnings() -> None:
    assert said(a_run([measured(a_case(), "latency", {"latency": around(1e-3)})])) == ""


def test_every_warning_says_what_to_do() -> None:
    cut = example(
        planned=("attention.prefill.late",),
        ended=None,
        settings={"quick": True},
        suite_errors={"vision": "SyntaxError: x"},
    )
    text = said(cut)
    assert "suite vision could not be imported: SyntaxError: x; correct it and run again" in text
    assert "1 planned case not measured, attention.prefill.late first: the run was cut off" in text
    assert "dsbench run --resume goes on" in text
    assert "1 case did not settle: try a longer --min-time or a quieter machine" in text
    assert "2 of 512 samples were disturbed (clock 1200 of 1980 MHz 2): see that nothing else" in text
    assert "quick points: not recorded in the history; run without --quick to record" in text


# Markdown


def test_markdown_is_what_it_was() -> None:
    assert_golden("report.md", render(example(), "markdown"))


def test_verdicts_in_markdown_are_what_they_were() -> None:
    text = render_verdicts(some_verdicts(), "markdown", exit_code=4, difference=DIFFERENCE)
    assert_golden("verdicts.md", text)


def test_markdown_shows_text_literally() -> None:
    assert escape("a|b`c<d>&\n*e* x_y _z_") == "a\\|b\\`c&lt;d&gt;&amp; \\*e\\* x_y \\_z\\_"
    assert escape("[text](url) [N=1]") == "[text]\\(url) [N=1]"
    assert escape("@somebody") == "@<!-- -->somebody"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_keeps_a_markdown_table_whole(text: str) -> None:
    verdict = Verdict(Outcome.BROKEN, Case(text, text, text), text, reason=text)
    lines = verdicts_markdown([verdict], {text: (text, text)}).splitlines()
    row = next(line for line in lines if line.startswith("| broken"))
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 9
    assert "<" not in row.replace("<!-- -->", "")


def test_long_markdown_stays_below_what_github_accepts_in_a_comment() -> None:
    case = a_case("candidate_with_a_long_name", N=16384, D=128, dtype="bfloat16", causal=True)
    many = [
        Verdict(outcome, case, "latency", reason="r" * 1000)
        for outcome in (Outcome.WORSE, Outcome.SAME)
        for _ in range(3 * LIMIT)
    ]
    text = verdicts_markdown(many)
    assert len(text) < 65_536
    assert text.count(f"… and {2 * LIMIT} more") == 2


# Verdicts for the terminal


def test_verdicts_as_text_are_what_they_were() -> None:
    text = render_verdicts(some_verdicts(), "table", exit_code=4, difference=DIFFERENCE)
    assert_golden("verdicts.txt", text)


def test_verdicts_are_sorted_by_seriousness_then_by_the_size_of_the_change() -> None:
    lines = verdicts_text(some_verdicts()).splitlines()
    words = [line.split()[0] for line in lines if line.strip()]
    assert [word for word in words if word in ("missing", "latency", "peak_memory")] == [
        "missing",
        "peak_memory",
        "latency",
    ]


def test_what_is_the_same_is_only_counted_unless_asked_for() -> None:
    assert "equal" not in verdicts_text(some_verdicts())
    assert "equal" in verdicts_text(some_verdicts(), verbose=True)
    assert verdicts_text(some_verdicts()).splitlines()[-1] == "1 missing, 2 worse, 1 same"


def test_no_verdicts_say_that_nothing_was_compared() -> None:
    assert verdicts_text([]) == "nothing was compared\n"
    assert "nothing was compared" in verdicts_markdown([])


def test_a_name_is_never_shortened_in_a_verdict() -> None:
    case = a_case("candidate_" * 30, N=1)
    for style in VERDICT_FORMATS[:2]:
        assert case.name in render_verdicts([Verdict(Outcome.WORSE, case)], style, exit_code=1)


def test_a_verdict_on_a_metric_that_no_longer_exists_is_shown_without_a_unit() -> None:
    verdict = Verdict(Outcome.SAME, a_case(), "forgotten", Estimate(2.0), Estimate(3.0))
    assert "  2  " in verdicts_text([verdict], verbose=True)
    assert json.loads(render_verdicts([verdict], "json", exit_code=0))["verdicts"][0]["unit"] == ""


# JSON


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_run_as_json_is_what_it_was() -> None:
    text = json.dumps(strict(render(small(), "json")), indent=1) + "\n"
    assert_golden("report.json", text)


def test_verdicts_as_json_are_what_they_were() -> None:
    text = render_verdicts(some_verdicts(), "json", exit_code=4, difference=DIFFERENCE)
    assert_golden("verdicts.json", json.dumps(strict(text), indent=1) + "\n")


def test_json_holds_every_sample_and_survives_hostile_text() -> None:
    run = example()
    document = strict(render(run, "json"))
    assert [len(m["readings"].get("latency", ())) for m in document["measurements"]] == [
        len(m.readings.get("latency", ())) for m in run.measurements
    ]
    assert strict(render(hostile(), "json"))["id"] == HOSTILE[1]


def test_json_refuses_a_number_that_it_cannot_hold() -> None:
    bad = Measurement(a_case(), "error", Status.OK, readings={"error": (Sample(math.nan, 0),)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(a_run([bad]), "json")


# CSV


def test_csv_has_one_row_a_case_and_metric_and_one_column_an_axis() -> None:
    frame = pd.read_csv(io.StringIO(render(example(), "csv")), keep_default_na=False, dtype=str)
    before = ["run", "machine", "backend", "device", "commit", "suite", "benchmark", "candidate"]
    after = ["probe", "metric", "unit", "value", "low", "high", "status", "reason"]
    assert list(frame.columns) == [*before, "N", "D", *after]
    flash = frame[(frame.candidate == "flash") & (frame.N == "1024") & (frame.D == "64")]
    assert list(flash.metric) == ["latency", "latency_cold", "throughput", "error", ""]
    assert list(flash.unit)[:4] == ["s", "s", "FLOP/s", "1"]
    assert float(flash.value.iloc[3]) == 3.4e-4
    assert list(flash.status) == ["ok"] * 4 + ["unsupported"]


def test_whole_numbers_stay_whole_in_csv_where_another_benchmark_lacks_the_axis() -> None:
    frame = pd.read_csv(io.StringIO(render(example(), "csv")), keep_default_na=False, dtype=str)
    assert set(frame.N) == {"1024", "4096", "16384", ""}


def test_an_axis_named_like_another_column_does_not_replace_it() -> None:
    run = a_run([measured(a_case(metric="l2", N=1), "error", {"error": [[0.5]]})])
    frame = pd.read_csv(io.StringIO(render(run, "csv")))
    assert (frame.metric[0], frame.axis_metric[0]) == ("error", "l2")


def test_hostile_text_comes_back_from_csv_as_it_was() -> None:
    harmless = [text for text in HOSTILE if "\ud800" not in text and "\x00" not in text]
    run = a_run(failed(a_case(text), "latency", Status.ERROR, text) for text in harmless)
    frame = pd.read_csv(io.StringIO(render(run, "csv")), keep_default_na=False)
    assert list(frame.reason) == harmless


# Figures


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


# The page


class Page(HTMLParser):
    """What a page consists of: its elements with their attributes, and the texts of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts[-1] += data
        elif self._open != "style":
            self.texts.append(data)


def page_of(run: Run) -> Page:
    verdicts = [
        Verdict(Outcome.WORSE, m.case, "latency", Estimate(1.0), Estimate(2.0), Estimate(1.0), 0.1, m.reason)
        for m in run.measurements
    ]
    return Page(html(run, verdicts, {run.id: (run.id, run.id)}))


def test_hostile_text_adds_no_element_no_attribute_and_no_script_to_a_page() -> None:
    page = page_of(hostile())
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "nav", "section", "script"),
        *("h1", "h2", "h3", "p", "div", "span", "bdi", "code", "pre", "details", "summary", "figure"),
        *("dl", "dt", "dd", "ul", "li", "a", "table", "thead", "tbody", "tr", "th", "td"),
    }
    known = {"charset", "content", "http-equiv", "name", "lang", "type", "id", "class", "href", "colspan"}
    assert {name for _, attributes in page.elements for name in attributes} <= {*known, "data-figure"}
    assert len(page.scripts) == 3
    assert "<script>alert(1)</script>" in "".join(page.texts)


def test_the_data_in_a_page_cannot_end_its_script_and_is_json() -> None:
    data = page_of(hostile()).scripts[0]
    assert "<" not in data
    assert len(strict(data)) == len(HOSTILE)


def test_a_page_with_hostile_text_can_be_written_in_utf_8() -> None:
    for style in FORMATS:
        if style != "csv":  # which keeps the text as it is
            assert render(hostile(), style).encode("utf-8")


def test_a_page_loads_nothing_and_forbids_it() -> None:
    page = page_of(hostile())
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "base", "form")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    styles = Path(sys.modules["dsbench.reports.page"].__file__ or "").with_name("page.css").read_text()
    assert "@import" not in styles
    assert "url(" not in styles


def test_a_page_holds_plotly_exactly_once() -> None:
    text = html(example())
    assert text.count(get_plotlyjs()) == 1
    assert text.count("<script>") == 2


def test_the_policy_of_a_page_admits_exactly_its_own_scripts() -> None:
    import base64
    import hashlib

    text = html(example())
    for script in Page(text).scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in text


def test_a_page_says_what_was_measured_where_and_what_failed() -> None:
    run = example(settings={"rounds": 3, "command": ["dsbench", "run", "-k", "a b"]})
    text = " ".join(page_of(run).texts)
    for fact in (
        "bench-1",
        "Fake One (fake)",
        "1a2b3c4d Skip blocks that hold nothing",
        "2026-01-31 23:59 UTC",
        "16 min 40 s",
        "28 cases: 16 ok",
        "RuntimeError: shapes (4, 2) and (3, 2) differ",
        "Traceback (most recent call last):\n  ...\n",
        "dsbench run -k 'a b'",
        "latency at D=64",
    ):
        assert fact in text


def test_a_failure_that_every_probe_repeats_is_listed_once() -> None:
    case = a_case()
    found = [failed(case, probe, Status.OOM, "too large") for probe in ("latency", "error", "memory")]
    page = page_of(a_run(found))
    assert sum(tag == "details" for tag, _ in page.elements) == 1


def test_verdicts_of_the_gate_go_into_a_page_with_the_same_ones_folded() -> None:
    run = example()
    text = html(run, judge(run.measurements, run.measurements), {"driver": ("550", "580")})
    assert "550 → 580" in text
    assert " same</summary>" in text


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
