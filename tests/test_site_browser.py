"""The dashboard in a real browser: every page from a file, without a network, errors or harm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browsing import QUIET, Visit
from make_runs import a_case, around, measured
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from site_rigs import MORE, WRITABLE, a_history, a_night, commit, of_other_probes, put, taken

from dsbench.records import Case
from dsbench.reports import units
from dsbench.reports.site import build
from dsbench.reports.site.files import case_id
from dsbench.reports.site.marks import ALWAYS
from dsbench.reports.site.pages import PAGES

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1400, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium; without it these tests fail rather than pass unseen."""
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if path is None:
        pytest.fail("the dashboard is tested in a real browser: install chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    a_history(folder / "results")
    return build(folder / "results", folder / "site", MORE).path


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport=WIDE)
    yield found
    found.close()


@pytest.fixture
def visit(context: BrowserContext, site: Path) -> Iterator[Visit]:
    page = context.new_page()
    found = Visit(page, site)
    yield found
    page.close()
    assert found.problems == []


FLASH = case_id(a_case("flash", N=1024))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opened_as_a_file_needs_no_network_and_fits_a_phone_and_a_dark_room(
    visit: Visit, name: str
) -> None:
    page = visit.open(name, f"case={FLASH}" if name == "case" else "")
    assert PAGES[name] in page.title() or name == "case"
    assert "Loading" not in page.inner_text("#lead")
    assert len(page.inner_text("#body")) > 50
    if name != "index":
        assert page.locator(".plot .main-svg").count() > 0
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    visit.wait(f"document.documentElement.scrollWidth <= {PHONE['width']}")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    ink = "document.querySelector('.plot .xtick text')?.style.fill ?? 'rgb(230, 232, 235)'"
    visit.wait(f"({ink}) === 'rgb(230, 232, 235)'")


def test_the_landing_page_tells_what_got_worse_first(visit: Visit) -> None:
    page = visit.open("index")
    assert page.inner_text("#lead strong") == "10 broken, 3 worse on 2 machines."
    first = page.locator(".row").first
    assert first.locator(".badge").inner_text() == "broken"
    worse = page.locator(".row", has_text="flash[N=1024]").first
    assert worse.locator(".size").inner_text().startswith("+3")
    assert worse.locator("svg.spark").count() == 1
    assert " ago" in page.inner_text(".cards")


def test_filters_stand_in_the_address_and_going_back_undoes_them(visit: Visit) -> None:
    page = visit.open("index")
    whole = page.locator(".row").count()
    page.select_option("select[name=outcome]", "worse")
    visit.wait("location.hash.includes('outcome=worse')")
    assert page.locator(".row").count() == 3 < whole
    page.fill("input[name=text]", "4096")
    visit.wait("document.querySelectorAll('.row').length === 1")
    page.go_back()
    visit.wait(f"document.querySelectorAll('.row').length === {whole}")
    page = visit.open("index", "outcome=worse&machine=m2")
    assert "No row passes the filters" in page.inner_text("#body")


def test_what_was_acknowledged_is_folded_and_not_counted(visit: Visit) -> None:
    page = visit.open("index")
    folded = page.evaluate(
        """async () => {
          const [all, { places }] = await Promise.all([runs(), load("changes")]);
          const row = { ...places[0].events[0].rows[0], place: 0, acknowledged: "known, and why" };
          const details = events([row], all).querySelector("details.folded");
          const told = details.textContent.includes("known, and why");
          return [details.open, told, summary(places, [row]).className];
        }"""
    )
    assert folded == [False, True, "good"]


def test_a_case_is_found_with_one_key_and_opened_with_another(visit: Visit) -> None:
    page = visit.open("index")
    page.keyboard.press("/")
    page.keyboard.type("flash 4096")
    visit.wait("document.querySelectorAll('.found a').length === 1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/case.html*")
    visit.drawn()
    assert page.inner_text("#lead") == "attention.prefill.flash[N=4096]"
    assert ".<wbr>flash<wbr>[N=4096]" in page.inner_html("#lead")  # breaks between parts of a name


def test_a_case_shows_failures_versions_its_command_and_every_sample(visit: Visit) -> None:
    page = visit.open("case", f"case={FLASH}&place=m1/dsbench-fake-py3.12/Fake One")
    texts = page.evaluate("document.getElementById('history').data.flatMap((t) => t.hovertext ?? [])")
    assert any("550.1 → 580.2" in text for text in texts)
    assert any(text.startswith("latency 300 µs [") for text in texts)
    assert "dsbench run attention -k '^attention\\.prefill\\.flash\\[N=1024\\]$'" in page.inner_text("#body")
    page.evaluate("state.set({ run: 'm1/0006c0ff-dsbench-fake-py3.12' })")
    page.click("text=Show every sample")
    visit.wait("[...document.querySelectorAll('#samples .plot')].filter((p) => p.data).length === 3")
    counts = page.evaluate("[...document.querySelectorAll('#samples .plot')].map((p) => p.data[0].x.length)")
    assert counts == [15, 1, 1]
    broken = visit.open("case", f"case={case_id(a_case('scan', 'moe', 'route'))}")
    failures = broken.evaluate(
        "document.getElementById('history').data"
        ".filter((trace) => trace.marker?.symbol === 'x').flatMap((trace) => trace.hovertext)"
    )
    assert ["crashed: killed by signal 11" in text for text in failures] == [True]


def test_hovering_a_point_names_its_commit(visit: Visit) -> None:
    page = visit.open("case", f"case={FLASH}&place=m1/dsbench-fake-py3.12/Fake One")
    page.locator("#history .points path").first.hover(force=True)
    page.wait_for_selector("#history .hovertext")
    assert "Change" in page.inner_html("#history .hoverlayer")


def test_comparing_keeps_both_sides_in_the_address_and_copies_markdown(visit: Visit) -> None:
    a, b = "m1/0005c0ff-dsbench-fake-py3.12", "m1/0006c0ff-dsbench-fake-py3.12"
    page = visit.open("compare", f"a={a}&b={b}&benchmark=attention.prefill")
    slow = page.locator("tr", has_text="flash N=1024")
    assert "1.30×" in slow.inner_text()
    assert slow.locator(".badge").inner_text() == "worse"
    page.evaluate(
        "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }"
    )
    page.click("text=Copy as Markdown")
    copied = page.evaluate("window.copied")
    assert copied.startswith("| case | A | B | B over A |")
    assert "| flash N=1024 | 300 µs" in copied
    page.select_option("select[name=ca]", "math")
    visit.wait("location.hash.includes('ca=math')")
    assert page.evaluate("new URLSearchParams(location.hash.slice(1)).get('a')") == a


def test_the_frontier_holds_those_that_none_beats_on_both(visit: Visit) -> None:
    page = visit.open("pareto", "benchmark=attention.prefill&at.N=1024")
    hover = page.evaluate("document.querySelector('.plot').data.flatMap((t) => t.hovertext ?? [])")
    assert {text.split("<br>")[0]: "frontier" in text for text in hover} == {
        "math": True,
        "flash": True,
        "topk": True,
    }
    assert page.evaluate("document.querySelector('.plot').data[0].x.length") == 3


def test_pages_of_one_run_show_of_each_case_the_newest_that_has_it(
    context: BrowserContext, tmp_path: Path
) -> None:
    night = a_night(1, factor=2.0)
    flash = tuple(m for m in night.measurements if m.case.candidate == "flash" and m.case.at["N"] == 1024)
    put(a_night(0, extra=of_other_probes()), tmp_path / "results")
    put(replace(night, measurements=flash), tmp_path / "results")
    visit = Visit(context.new_page(), build(tmp_path / "results", tmp_path / "site", MORE).path)
    page = visit.open("pareto", "benchmark=attention.prefill&at.N=1024")
    hover = page.evaluate("document.querySelector('.plot').data.flatMap((t) => t.hovertext ?? [])")
    assert {text.split("<br>")[0]: text.split("<br>")[-1][:8] for text in hover} == {
        "math": commit(0)[:8],
        "flash": commit(1)[:8],
        "topk": commit(0)[:8],
    }
    assert "among 0001c0ff" in page.inner_text("#body")
    page.select_option("select[name=run]", label=f"{commit(0)[:8]} 2025-10-09 Change 0")
    visit.wait("document.getElementById('body').innerText.includes('From the run of 0000c0ff')")
    page = visit.open("leaks")
    assert "model.py:12" in page.inner_text("#body")
    assert commit(0)[:8] in page.inner_text("[aria-label=Leaks]")
    assert commit(0)[:8] in visit.open("load").inner_text("[aria-label=Load]")
    assert visit.problems == []
    page.close()


def test_a_technique_stays_on_the_frontier_when_its_speed_and_accuracy_were_last_measured_apart(
    context: BrowserContext, tmp_path: Path
) -> None:
    for number, probes in enumerate([("latency", "error"), ("latency", "error"), ("latency",), ("error",)]):
        night = a_night(number)
        some = tuple(m for m in night.measurements if m.probe in probes and m.case.candidate != "math")
        put(replace(night, measurements=some), tmp_path / "results")
    visit = Visit(context.new_page(), build(tmp_path / "results", tmp_path / "site", MORE).path)
    page = visit.open("pareto", "benchmark=attention.prefill&at.N=1024")
    hover = page.evaluate("document.querySelector('.plot').data.flatMap((t) => t.hovertext ?? [])")
    assert [text.split("<br>")[0] for text in hover] == ["flash", "topk"]
    assert {text.split("<br>")[-1][:8] for text in hover} == {commit(1)[:8]}
    run = next(run for run in taken(visit.site, "runs")["runs"] if run["commit"] == commit(2))
    visit.open("pareto", f"run={run['key']}")
    assert "no case with both" in page.inner_text("#body")
    assert visit.problems == []
    page.close()


def test_a_leak_shows_its_line_and_a_load_its_promise(visit: Visit) -> None:
    page = visit.open("leaks")
    assert "model.py:12" in page.inner_text("#body")
    assert "4.00 KiB/step" in page.inner_text("#body")
    page = visit.open("load")
    assert "SLO 50.0 ms" in page.inner_text("#body")
    assert page.evaluate("document.querySelector('.plot').data.length") == 4


def test_hostile_names_are_shown_as_text_and_do_nothing(visit: Visit) -> None:
    place = "place=m2/dsbench-fake-py3.12/Fake One"
    for text in WRITABLE[:4]:
        identity = case_id(Case(text, text, text, ((text, text), ("__proto__", 1))))
        page = visit.open("case", f"case={identity}")
        assert page.locator("#main script, #main img, #main a[href^=http]").count() == 0
    for name in ("compare", "pareto", "machines"):
        page = visit.open(name, place)
        assert page.locator("#main script, #main img, #main a[href^=http]").count() == 0
    assert page.evaluate("({}).polluted === undefined && Object.keys(Object.prototype).length === 0")
    page = visit.open("case", "case=<img src=x onerror=alert(1)>&place=javascript:alert(1)")
    assert "no such case" in page.inner_text("#lead")
    assert visit.problems[-1].startswith("error: Error: There is no such case")
    visit.problems.clear()  # the page says on the console, too, why it shows nothing


def test_numbers_read_as_dsbench_writes_them_elsewhere(visit: Visit) -> None:
    page = visit.open("load")
    values = [0.0, 1.0, 9.996, 99.96, 999.6, 1234.6, 2.0**20, 3.7e9, 1.5e-3, 9.999e-7, 2.5e-10, 5e-5, 0.51]
    pairs = [
        (value, unit)
        for value in values
        for unit in ("s", "J", "B", "FLOP/s", "1", "%", "pp", "dB", "B/step", "req/s")
    ]
    written = page.evaluate(f"{json.dumps(pairs)}.map(([value, unit]) => human(value, unit))")
    assert written == [units.human(value, unit) for value, unit in pairs]


def test_the_newest_points_of_a_case_are_shown_while_they_wait_for_its_turn(
    context: BrowserContext, tmp_path: Path
) -> None:
    many = [measured(a_case("topk", N=N), "latency", {"latency": around(1e-3)}) for N in range(ALWAYS)]
    for number in range(3):
        put(a_night(number, extra=many), tmp_path / "results")
        site = build(tmp_path / "results", tmp_path / "site").path
    assert list((site / "data/late").iterdir())
    visit = Visit(context.new_page(), site)
    page = visit.open("case", f"case={case_id(a_case('topk', N=5))}")
    assert page.evaluate("Math.max(...document.getElementById('history').data.map((t) => t.x.length))") == 3
    assert visit.problems == []


def test_a_series_of_ten_thousand_points_is_thinned_without_losing_a_peak(visit: Visit) -> None:
    page = visit.open("load")
    found: Any = page.evaluate(
        """() => {
          const level = (x) => (x === 7777 ? 50 : Math.sin(x));
          const points = Array.from({ length: 10000 }, (_, x) => ({ x, y: level(x) }));
          const few = thinned(points, -1, 10000);
          const ordered = few.every((point, i) => !i || few[i - 1].x < point.x);
          return [few.length, Math.max(...few.map(({ y }) => y)), ordered, thinned(points, 100, 200).length];
        }"""
    )
    assert found[0] <= 1002
    assert found[1:] == [50, True, 103]
