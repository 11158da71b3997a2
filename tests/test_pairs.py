"""Pairs of processes that take turns: what they measure, and what becomes of a side that fails."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from dsbench.backends.fake import COLD_PENALTY
from dsbench.pairs import FEWEST, Pair, Pairing, Side, measure_pair
from dsbench.records import Case
from dsbench.registry import load

SUITE = """
import os, time
from dsbench.backends import fake
from dsbench.backends.fake import spend
from dsbench.registry import benchmark

calls = []


def steady(x):
    spend(1e-3)
    return x


def other(x):
    {body}
    return x


def right(x):
    return x


@benchmark(candidates={{"steady": steady, "other": other}}, baseline="steady", oracle=right)
def echo(device, seed):
    return {{"x": [1.0]}}
"""
QUICK = Pairing("fake", timeout=20.0, seconds=0.0)
BOTH = ("latency", "latency_cold")


def side(folder: Path, name: str, body: str = "spend(1e-3)") -> Side:
    """A folder with one suite, whose second candidate does what `body` says."""
    (folder / name).mkdir()
    (folder / name / "echoes.py").write_text(SUITE.format(body=body))
    return Side(name, folder / name)


def cases(of: Side) -> list[Case]:
    found = load(of.suites / "echoes.py").benchmarks["echo"]
    return found.cases("fake", quick=False)


def both(folder: Path, body: str) -> tuple[Side, Side]:
    return side(folder, "a"), side(folder, "b", body)


def test_a_pair_tells_the_ratio_of_the_second_side_to_the_first(tmp_path: Path) -> None:
    sides = both(tmp_path, "spend(1.25e-3)")
    found = {pair.case: pair for pair in measure_pair(sides, cases(sides[0]), 0, QUICK)}
    assert found["echoes.echo.steady"].log_ratio == pytest.approx(0.0, abs=1e-9)
    assert found["echoes.echo.other"].log_ratio == pytest.approx(math.log(1.25))
    assert found["echoes.echo.other"].seconds == pytest.approx((1e-3, 1.25e-3))
    assert found["echoes.echo.other"].cpu_log_ratio is None  # it is not the host that computes


def test_a_pair_keeps_every_turn_it_comes_from(tmp_path: Path) -> None:
    sides = both(tmp_path, "spend(1.25e-3)")
    row = list(measure_pair(sides, cases(sides[0]), 0, QUICK))[1].to_json()
    assert len(row["turns"]) == FEWEST
    assert [[wall for wall, _ in turn] for turn in row["turns"]] == [[1e-3, 1.25e-3]] * FEWEST


def test_a_control_holds_the_first_side_against_itself(tmp_path: Path) -> None:
    sides = both(tmp_path, "spend(2e-3)")
    name = "echoes.echo.other"
    found = list(measure_pair(sides, cases(sides[0]), 0, QUICK, frozenset({name})))
    (control,) = [pair for pair in found if pair.control]
    assert (control.case, control.log_ratio) == (name, pytest.approx(0.0, abs=1e-9))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ("os.abort()", "crashed", "SIGABRT"),
        ("raise ValueError('no luck')", "error", "no luck"),
        ("return [2.0]", "wrong", "tolerance"),
        ("os._exit(7)", "crashed", "exit code 7"),
    ],
)
def test_a_failure_of_one_side_is_told_and_the_other_cases_go_on(
    tmp_path: Path, body: str, status: str, told: str
) -> None:
    sides = both(tmp_path, body)
    found = {pair.case: pair for pair in measure_pair(sides, cases(sides[0]), 0, QUICK)}
    assert found["echoes.echo.steady"].problems == {}
    ((where, (how, why)),) = found["echoes.echo.other"].problems.items()
    assert (where, how) == (1, status)
    assert told in why


def test_a_case_that_ends_both_processes_fails_on_both_sides(tmp_path: Path) -> None:
    sides = side(tmp_path, "a", "os.abort()"), side(tmp_path, "b", "os._exit(7)")
    found = {pair.case: pair for pair in measure_pair(sides, cases(sides[0]), 0, QUICK)}
    assert set(found["echoes.echo.other"].problems) == {0, 1}
    assert found["echoes.echo.steady"].problems == {}


def test_a_side_that_never_ends_is_ended_and_told(tmp_path: Path) -> None:
    sides = both(tmp_path, "time.sleep(60)")
    slow = Pairing("fake", timeout=3.0, seconds=0.0)
    found = {pair.case: pair for pair in measure_pair(sides, cases(sides[0]), 0, slow)}
    assert found["echoes.echo.other"].problems[1][0] == "timeout"
    assert found["echoes.echo.steady"].problems == {}


def test_a_suite_that_cannot_be_imported_on_one_side_breaks_all_its_cases(tmp_path: Path) -> None:
    sides = both(tmp_path, "spend(1e-3)")
    expected = cases(sides[0])
    (sides[1].suites / "echoes.py").write_text("import no_such_module")
    found = list(measure_pair(sides, expected, 0, QUICK))
    assert [set(pair.problems) for pair in found] == [{1}, {1}]


def test_two_sides_take_turns_on_each_metric_and_are_asked_the_exact_probes_once(tmp_path: Path) -> None:
    exact = """
from dsbench.backends.fake import free, hold
def right(x): return x
@benchmark(candidates={"it": other}, baseline="it", oracle=right, probes=("latency", "error", "memory"))
def exact(device, seed):
    return {"x": [1.0]}
"""
    sides = both(tmp_path, "spend(1e-3)")
    for of, size in zip(sides, (2**20, 2**21), strict=True):
        text = (
            (of.suites / "echoes.py").read_text().replace("return x", f"hold({size}); free({size}); return x")
        )
        (of.suites / "echoes.py").write_text(text.replace("import spend", "import free, hold, spend") + exact)
    (case,) = load(sides[0].suites / "echoes.py").benchmarks["exact"].cases("fake", quick=False)
    found = list(measure_pair(sides, [case], 0, QUICK, (), {case.name}, {case: BOTH}))
    assert [pair.metric for pair in found] == ["latency", "latency_cold"]
    assert found[1].seconds[0] == pytest.approx(1e-3 + COLD_PENALTY)
    before, after = ({m.probe: m.readings for m in side if m.status.has_numbers} for side in found[0].probed)
    assert [side["memory"]["peak_memory"][0].value for side in (before, after)] == [
        pytest.approx(2**20, rel=1e-5),
        pytest.approx(2**21, rel=1e-5),
    ]
    assert set(before) == {"error", "memory"}
    assert found[1].probed == ()


def jumping(after: int, seconds: float) -> str:
    """A body whose clock jumps in each call after the first so many."""
    return f"calls.append(0); fake.jump({seconds} * (len(calls) > {after})); spend(1e-3)"


def test_a_clock_that_runs_backwards_is_an_error_and_not_waited_for(tmp_path: Path) -> None:
    sides = both(tmp_path, jumping(60, -2.0))
    found = {pair.case: pair for pair in measure_pair(sides, cases(sides[0]), 0, QUICK)}
    told = ("error", "most of its turns took no time by its clock")
    assert found["echoes.echo.other"].problems == {1: told}
    assert found["echoes.echo.steady"].problems == {}


def test_on_the_processor_a_pair_tells_how_much_of_its_time_a_case_computes(tmp_path: Path) -> None:
    sides = side(tmp_path, "a", "sum(range(50_000))"), side(tmp_path, "b", "time.sleep(1e-3)")
    on_cpu = replace(QUICK, backend="cpu")
    found = {pair.case: pair for pair in measure_pair(sides, cases(sides[0]), 0, on_cpu)}
    (_, least) = found["echoes.echo.other"].occupied
    assert least < 0.5
    assert found["echoes.echo.other"].cpu_log_ratio is not None


def test_what_is_kept_of_a_pair_without_numbers_has_none() -> None:
    row = Pair("s.b.c", 0, problems={1: ("crashed", "died")}).to_json()
    assert (row["log_ratio"], row["seconds"], row["problems"]) == (None, None, {"1": ["crashed", "died"]})
