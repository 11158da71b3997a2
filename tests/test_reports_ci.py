"""Verdicts in the forms that CI systems read: JUnit XML and GitHub's annotations."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from dsbench.gate import Outcome, Verdict
from dsbench.records import Case
from dsbench.reports import render_verdicts
from dsbench.stats.intervals import Estimate

WORSE = Verdict(
    Outcome.WORSE, Case("s", "b", "slow"), "latency", change=Estimate(0.1, 0.08, 0.12), reason="it is slower"
)


def verdicts(*more: Verdict) -> list[Verdict]:
    return [
        Verdict(Outcome.SAME, Case("s", "b", "same"), "latency"),
        Verdict(Outcome.BROKEN, Case("t", "b", "dead"), reason="crashed"),
        Verdict(Outcome.INCONCLUSIVE, Case("s", "b", "vague"), "latency", reason="too noisy"),
        WORSE,
        *more,
    ]


@pytest.mark.parametrize(("exit_code", "failures", "skipped"), [(1, "1", "1"), (5, "2", "0")])
def test_junit_counts_worse_as_failure_broken_as_error_and_inconclusive_as_failure_if_strict(
    exit_code: int, failures: str, skipped: str
) -> None:
    root = ElementTree.fromstring(render_verdicts(verdicts(), "junit", exit_code=exit_code))
    suites = {suite.get("name"): suite for suite in root}
    assert (suites["s"].get("tests"), suites["s"].get("failures")) == ("3", failures)
    assert suites["s"].get("skipped") == skipped
    assert suites["t"].get("errors") == "1"
    (failure,) = root.findall(".//testcase[@name='s.b.slow latency']/failure")
    assert failure.get("message") == "worse: latency +10.0 % [+8.0 %, +12.0 %]: it is slower"


def test_junit_holds_any_name_and_reason() -> None:
    evil = Verdict(Outcome.BROKEN, Case("s", "b", "</x>&\x00\u202e"), reason="<script>\x1b[2J\n" * 3)
    root = ElementTree.fromstring(render_verdicts([evil], "junit", exit_code=3))
    (error,) = root.findall(".//error")
    assert "<script>" in str(error.get("message"))


def test_annotations_are_a_line_each_most_serious_first() -> None:
    lines = render_verdicts(verdicts(), "github", exit_code=3).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]
    assert lines[0] == "::error title=broken%3A t.b.dead::crashed"
    assert lines[1].endswith("::latency +10.0 %25 [+8.0 %25, +12.0 %25]: it is slower")


def test_annotations_cannot_be_forged_by_a_name_or_a_reason() -> None:
    evil = Verdict(Outcome.BROKEN, Case("s", "b", "x::y,z"), reason="first\n::error title=forged::second")
    lines = render_verdicts([evil], "github", exit_code=3).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("::error title=broken%3A s.b.x%3A%3Ay%2Cz::first ::error")
