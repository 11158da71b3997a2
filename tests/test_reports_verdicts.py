"""Reports: Markdown, and verdicts as text."""

from __future__ import annotations

import json

import pytest
from make_runs import a_case, example
from report_rigs import DIFFERENCE, HOSTILE, assert_golden, some_verdicts

from dsbench.gate import Outcome, Verdict
from dsbench.records import Case
from dsbench.reports import VERDICT_FORMATS, render, render_verdicts
from dsbench.reports.markdown import LIMIT, escape, verdicts_markdown
from dsbench.reports.verdicts import verdicts_text
from dsbench.stats.intervals import Estimate


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
