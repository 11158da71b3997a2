"""The HTML page: complete, harmless and offline."""

from __future__ import annotations

import base64
import hashlib
import sys
from html.parser import HTMLParser
from pathlib import Path

from make_runs import a_case, a_run, example, failed
from plotly.offline import get_plotlyjs
from report_rigs import HOSTILE, hostile, strict

from dsbench.gate import Outcome, Verdict, judge
from dsbench.records import Run, Status
from dsbench.reports import FORMATS, render
from dsbench.reports.page import html
from dsbench.stats.intervals import Estimate


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
    # One for the failure, one for the commands that repeat the cases.
    assert sum(tag == "details" for tag, _ in page.elements) == 2


def test_verdicts_of_the_gate_go_into_a_page_with_the_same_ones_folded() -> None:
    run = example()
    text = html(run, judge(run.measurements, run.measurements), {"driver": ("550", "580")})
    assert "550 → 580" in text
    assert " same</summary>" in text
