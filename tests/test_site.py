"""The dashboard's data: what is read, what is judged, and what a later build keeps."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from make_runs import a_case
from site_rigs import COMMITS, MORE, a_history, a_night, commit, put, rows, taken

from dsbench.acknowledged import Ack, write
from dsbench.gate import Outcome
from dsbench.reports.site import SiteError, build
from dsbench.reports.site.files import case_id, flattened, points_of
from dsbench.stats.intervals import of_many, of_rounds


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("history") / "results"
    a_history(results)
    return results


@pytest.fixture(scope="module")
def site(recorded: Path) -> Path:
    return build(recorded, recorded.parent / "site", MORE).path


def test_many_series_get_what_each_gets_alone() -> None:
    chance = random.Random(1)
    series = [
        [[chance.uniform(0.5, 2) for _ in range(chance.randint(1, 8))] for _ in range(chance.randint(1, 5))]
        for _ in range(200)
    ]
    series += [[[0.0, 1.0], [2.0]], [[-1.0], [-2.0], [3.0]], [[1.0]]]
    flat = [(value, number) for one in series for number, values in enumerate(one) for value in values]
    found = of_many([v for v, _ in flat], [r for _, r in flat], [sum(map(len, one)) for one in series])
    for one, ends in zip(series, found, strict=True):
        alone = of_rounds(one)
        for left, right in zip(ends, (alone.value, alone.low, alone.high), strict=True):
            assert (left is None) == (right is None)
            assert left is None or right is None or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)


def test_the_landing_page_says_what_the_gate_says_since_the_last_green_run(site: Path) -> None:
    place = taken(site, "changes")["places"][0]
    runs = {run["number"]: run for run in taken(site, "runs")["runs"]}
    assert runs[place["newest"]]["commit"] == commit(COMMITS - 1)
    assert runs[place["green"]]["commit"] == commit(5)  # the next was the first slow one
    found = {(row["name"], row["metric"]): row for row in rows(site)}
    flash = found["attention.prefill.flash[N=1024]", "latency"]
    assert flash["outcome"] == Outcome.WORSE
    assert flash["change"][0] == pytest.approx(0.3, abs=0.02)
    assert (runs[flash["from"]]["commit"], runs[flash["to"]]["commit"]) == (commit(5), commit(6))
    scan = found["moe.route.scan", ""]
    assert scan["outcome"] == Outcome.BROKEN
    assert (runs[scan["from"]]["commit"], runs[scan["to"]]["commit"]) == (commit(6), commit(7))
    assert found["moe.route.sort", ""]["outcome"] == Outcome.NEW
    assert place["counts"]["same"] > 10


def test_what_failed_ever_since_it_was_there_has_no_commit_before(site: Path) -> None:
    (place,) = [p for p in taken(site, "changes")["places"] if p["counts"].get("broken") == 9]
    (event,) = [e for e in place["events"] if e["rows"][0]["outcome"] == "broken"]
    runs = {run["number"]: run["commit"] for run in taken(site, "runs")["runs"]}
    assert event["from"] is None
    assert runs[event["to"]] == commit(0)


def test_cases_that_moved_between_the_same_commits_are_one_event(site: Path) -> None:
    events = taken(site, "changes")["places"][0]["events"]
    slow = next(e for e in events if any(row["outcome"] == "worse" for row in e["rows"]))
    names = {row["name"] for row in slow["rows"]}
    assert names == {"attention.prefill.flash[N=1024]", "attention.prefill.flash[N=4096]"}


def test_a_change_that_was_accepted_stays_marked_and_no_longer_makes_a_run_red(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    for number in range(4):
        put(a_night(number, factor=1.3 if number == 3 else 1.0), results)
    build(results, site)
    (slow, *_) = [row for row in rows(site) if row["outcome"] == "worse"]
    assert taken(site, "changes")["places"][0]["red"]
    for row in rows(site):
        if row["outcome"] == "worse":
            ack = Ack(
                id=row["id"],
                place="m1/dsbench-fake-py3.12",
                case=row["name"],
                metric=row["metric"],
                outcome="worse",
                change=row["change"][0],
                after=None,
                told=row["reason"],
                commit=commit(3),
                baseline=commit(2),
                reason="it is safer now",
                until="never",
                made="2026-01-01",
            )
            write(ack, results)
    build(results, site)
    assert "it is safer now" in next(row for row in rows(site) if row["id"] == slow["id"])["acknowledged"]
    assert not taken(site, "changes")["places"][0]["red"]


def test_change_points_are_marks_of_a_case(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    for number in range(24):
        put(a_night(number, factor=1.5 if number >= 12 else 1.0), results)
    build(results, site)
    head = (site / f"data/case/{case_id(a_case('flash', N=1024))}.js").read_text().splitlines()[0]
    marked = json.loads(head[head.index(",") + 1 : head.rindex(")")])
    runs = {run["number"]: run["commit"] for run in taken(site, "runs")["runs"]}
    (mark,) = [mark for mark in marked if mark["text"].startswith("latency +")]
    assert runs[mark["run"]] == commit(12)


def test_what_is_neither_a_number_nor_has_an_interval_is_null() -> None:
    nan, inf = math.nan, math.inf
    metrics = [[("error", 1.0, None, None)], [], [("latency", nan, 1.0, 2.0), ("error", 3.0, -inf, inf)]]
    found = flattened(metrics, {"latency": 0, "error": 1})
    assert found == ["1,1,null,null", "", "0,null,1,2,1,3,null,null"]
    (point,) = points_of([f'P(7,2,[{found[2]}],[["latency","oom","x"]]);'])
    assert point == (7, 2, {0: (None, 1.0, 2.0), 1: (3.0, None, None)}, [["latency", "oom", "x"]])


def test_a_run_knows_what_differs_from_the_one_before_it(site: Path) -> None:
    changed = {run["commit"]: run["changed"] for run in taken(site, "runs")["runs"] if run["place"] == 0}
    assert changed[commit(5)] == [["driver", "550.1", "580.2"]]
    assert changed[commit(4)] == []


def test_a_damaged_file_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    results = tmp_path / "results"
    put(a_night(0), results)
    put(a_night(1), results).write_text('{"type":"run"}\n')
    done = build(results, tmp_path / "site")
    assert done.runs == 1
    assert ["0001" in problem for problem in done.problems] == [True]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    put(a_night(0), tmp_path / "results")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("keep me")
    with pytest.raises(SiteError, match="a folder of its own"):
        build(tmp_path / "results", tmp_path / "home")
    assert (tmp_path / "home" / "letter.txt").read_text() == "keep me"


def test_pages_share_one_plotly_and_load_nothing_from_elsewhere(site: Path) -> None:
    assert len(list(site.rglob("*plotly*"))) == 1
    assert b"MIT" in (site / "plotly.min.js").read_bytes()[:400]
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "http" not in text.replace("http-equiv", "")
        assert "default-src 'none'" in text
        assert "<script>" not in text


def test_no_file_of_the_site_holds_what_a_browser_would_end_a_script_at(site: Path) -> None:
    for path in (site / "data").rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert "\r" not in text
        assert text.isascii()
