"""A dashboard that is brought up to date: what is kept, what is read again, what is forgotten."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from make_runs import a_case, around, measured
from site_rigs import MORE, a_history, a_night, commit, of_other_probes, put, rows, taken

from dsbench.gate import Outcome
from dsbench.history.reading import Heads
from dsbench.metrics import METRICS
from dsbench.reports.site import EmptyError, build
from dsbench.reports.site.changed import BUDGET, FEWEST, changes
from dsbench.reports.site.inputs import Manifest, made_by
from dsbench.reports.site.late import Late
from dsbench.reports.site.marks import ALWAYS, EVERY, TURNS, due, turn_of
from dsbench.reports.site.recorded import Recorded


def newest(site: Path) -> dict[str, list[str]]:
    """By probe the commits of the first place that hold the newest measurement of a case."""
    data = taken(site, "runs")
    commits = {run["number"]: run["commit"] for run in data["runs"]}
    return {probe: [commits[n] for n in numbers] for probe, numbers in data["places"][0]["newest"].items()}


def test_a_place_names_the_runs_in_which_each_case_was_measured_last(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    for number in (0, 1):
        put(a_night(number, extra=of_other_probes() if number == 0 else ()), results)
    build(results, site)
    narrow = a_night(2)
    some = [m for m in narrow.measurements if m.case.candidate == "flash" and m.probe == "latency"]
    path = put(replace(narrow, measurements=tuple(some)), results)
    build(results, site)
    assert newest(site) == {
        "error": [commit(1)],
        "latency": [commit(2), commit(1)],
        "leak": [commit(0)],
        "load": [commit(0)],
        "memory": [commit(1)],
    }
    assert len(taken(site, "machines")[0]["roofline"]) == 6
    path.unlink()
    build(results, site)
    build(results, tmp_path / "fresh")
    assert newest(site) == newest(tmp_path / "fresh")
    assert newest(site)["latency"] == [commit(1)]


def test_what_was_green_is_remembered_for_longer_than_a_first_build_looks_back(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for number in range(FEWEST + 3):
        put(a_night(number, factor=1.5 if number else 1.0), results)
    site = build(results, tmp_path / "site").path
    stored = Manifest.read(site, made_by([m.name for m in METRICS.values() if m.primary])).runs
    runs = [replace(run, measurements=BUDGET) for run in stored]  # so many that a first build judges ten
    known: dict[str, tuple[str, bool]] = {}
    for count in range(2, len(runs) + 1):
        kept = changes(Recorded(results, Heads()), runs[:count], known, lambda _case, _metric: [])
    fresh = changes(Recorded(results, Heads()), runs, {}, lambda _case, _metric: [])
    assert kept.green is not None
    assert fresh.green is not None
    assert (kept.green.commit, fresh.green.commit) == (commit(0), runs[-2].commit)
    assert {v.outcome for v in kept.verdicts if v.case.candidate == "flash"} >= {Outcome.WORSE}


def test_each_case_has_its_turn_once_in_as_many_runs_as_all_turns_take() -> None:
    every, many = frozenset(range(TURNS)), ALWAYS + 1
    assert due(1, 0, many) == due(8, 7, ALWAYS) == every
    turns = [due(runs + 1, runs, many) for runs in range(EVERY * TURNS, 2 * EVERY * TURNS)]
    assert sorted(turn for some in turns for turn in some) == sorted(every)
    assert due(3 * EVERY * TURNS, EVERY * TURNS, many) == every


def test_lines_of_many_cases_wait_for_the_turn_of_these_and_are_known_meanwhile(tmp_path: Path) -> None:
    results, site, fresh = tmp_path / "results", tmp_path / "site", tmp_path / "fresh"
    for number in range(EVERY):
        factor = 2.0 if number >= EVERY // 2 else 1.0
        many = [measured(a_case("topk", N=N), "latency", {"latency": around(factor)}) for N in range(ALWAYS)]
        put(a_night(number, factor=factor, extra=many), results)
        if number in (0, EVERY - 2, EVERY - 1):
            build(results, site)
    build(results, fresh)
    assert points(site) == points(fresh)
    assert rows(site) == rows(fresh)
    waiting = {identity for identity in identities(site) if Late(site, site).lines(identity)}
    assert {turn_of(identity) for identity in waiting} == frozenset(range(1, TURNS))
    marked = {identity: marks(fresh, identity) for identity in identities(fresh)}
    assert len([some for some in marked.values() if some]) >= ALWAYS
    assert {identity: marks(site, identity) for identity in identities(site)} == {
        identity: [] if identity in waiting else some for identity, some in marked.items()
    }
    next(results.glob("m1/0001*.jsonl")).unlink()
    build(results, site)
    assert points(site) == points(build(results, tmp_path / "again").path)
    assert not any(Late(site, site).lines(identity) for identity in identities(site))


def identities(site: Path) -> list[str]:
    return [path.stem for path in (site / "data/case").glob("*.js")]


def marks(site: Path, identity: str) -> list[tuple[str, str]]:
    """The change points in the file of a case, by the key of the run in place of its number in this site."""
    keys = {run["number"]: run["key"] for run in taken(site, "runs")["runs"]}
    head = (site / f"data/case/{identity}.js").read_text(encoding="utf-8").splitlines()[0]
    return [
        (keys[mark["run"]], mark["text"]) for mark in json.loads(head[head.index(",") + 1 : head.rindex(")")])
    ]


def test_building_again_in_any_order_gives_the_site_of_one_build(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded"
    a_history(recorded)
    results = tmp_path / "results"
    paths = sorted(recorded.glob("*/*.jsonl"))
    random.Random(3).shuffle(paths)
    for number, path in enumerate(paths):
        target = results / path.relative_to(recorded)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        if number in (3, 9, 15):
            assert build(results, tmp_path / "site", MORE).read == {3: 4, 9: 6, 15: 6}[number]
    again, fresh = tmp_path / "site", tmp_path / "fresh"
    assert build(results, again, MORE).read == 0
    build(results, fresh, MORE)
    assert points(again) == points(fresh)
    assert rows(again)[0]["spark"] == rows(fresh)[0]["spark"]
    assert len(rows(again)) == len(rows(fresh))


def points(site: Path) -> dict[str, set[tuple[str, str]]]:
    """What is known of each case, by the key of the run in place of its number in this site."""
    keys = {run["number"]: run["key"] for run in taken(site, "runs")["runs"]}
    late, found = Late(site, site), dict[str, set[tuple[str, str]]]()
    for identity in identities(site):
        lines = (site / f"data/case/{identity}.js").read_text(encoding="utf-8").splitlines()[1:]
        lines += late.lines(identity)
        found[identity] = {(keys[int(line[2 : line.index(",")])], line[line.index(",") :]) for line in lines}
        assert len(found[identity]) == len(lines)
    return found


def test_a_run_that_changed_replaces_what_it_said_and_one_that_is_gone_says_nothing(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    for number in range(3):
        put(a_night(number), results)
    build(results, site)
    put(a_night(2, factor=2.0), results)
    assert build(results, site).read == 1
    build(results, tmp_path / "fresh")
    assert points(site) == points(tmp_path / "fresh")
    next(results.glob("m1/0001*.jsonl")).unlink()
    assert build(results, site).read == 0
    assert {run["commit"] for run in taken(site, "runs")["runs"]} == {commit(0), commit(2)}
    assert all(len(lines) == 2 for lines in points(site).values())


def test_files_that_were_only_touched_are_not_read_again(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    path = put(a_night(0), results)
    build(results, site)
    path.touch()
    assert build(results, site).read == 0


def test_the_old_site_stays_when_a_new_one_cannot_be_built(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    path = put(a_night(0), results)
    build(results, site)
    before = contents(site)
    path.write_text("not a run\n")
    with pytest.raises(EmptyError, match="restore it"):
        build(results, site)
    assert contents(site) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def contents(site: Path) -> dict[str, bytes]:
    """The files of a site, but for what depends on the moment it was built and the order of its past."""
    found = {str(path.relative_to(site)): path for path in site.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "manifest.json"}
