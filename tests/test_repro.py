"""Repeating a measurement: its id, the command, and the command's command."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from conftest import SUITES
from make_runs import a_case, a_run, measured

from dsbench import runs
from dsbench.cli import exits
from dsbench.history.sidecar import merged
from dsbench.records import Run, identity
from dsbench.registry import select
from dsbench.reports import render
from dsbench.reports.page import html
from dsbench.reports.repeat import command, command_line, exactly

Dsbench = Callable[..., Result]
Commit = Callable[[str], str]

SUITE = SUITES / "steady"
RUN = (
    "run",
    "--suites",
    SUITE,
    "--backend",
    "fake",
    "--min-time",
    "0.001",
    "--timeout",
    "20",
    "--rounds",
    "2",
)


def one() -> Run:
    return a_run([measured(a_case(N=1), "latency", {"latency": [[1e-3], [1e-3]]})])


def test_an_id_is_stable_and_tells_run_case_version_and_probe_apart() -> None:
    run = one()
    (found,) = run.measurements
    assert identity(run, found) == "685c4c450d"
    others = [
        (replace(run, id="another"), found),
        (run, replace(found, probe="error")),
        (run, replace(found, case=replace(found.case, version=2))),
        (run, replace(found, case=a_case(N=2))),
    ]
    assert len({identity(run, found), *(identity(*other) for other in others)}) == 5


def test_a_measurement_keeps_its_id_when_a_later_run_is_recorded_over_its_run() -> None:
    old, new = one(), a_run([measured(a_case("flash", N=1), "latency", {"latency": [[1e-3]]})], id="later")
    both = merged(old, new)
    assert identity(both, both.measurements[0]) == identity(old, old.measurements[0])


@pytest.mark.parametrize("suffix", ["", "[N=1]", "[N=1,s=a'b c]"])
def test_the_filter_of_a_command_selects_exactly_its_case(suffix: str) -> None:
    point = {"N": 1, "s": "a'b c"} if "s=" in suffix else {"N": 1} if suffix else {}
    case = a_case("topk", **point)
    near = [a_case("topk", **point, more=0), a_case("topk1", **point), a_case("topkN"), a_case("topk", N=10)]
    assert case.name.endswith(suffix)
    assert select([*near, case], [exactly(case)]) == [case]


def test_a_command_holds_the_settings_of_its_run() -> None:
    settings = {
        "rounds": 4,
        "seed": 7,
        "timeout": 9.5,
        "quick": True,
        "suites": "my suites",
        "probes": ["latency", "profile"],
        "affinity": [0, 2],
        "budget": {"min_time": 0.25, "max_time": 1.25, "max_noise": 0.01, "once": False, "graph": True},
    }
    run = replace(one(), settings=settings)
    assert command_line(run, a_case(N=1)) == (
        r"dsbench run attention -k '^attention\.prefill\.math\[N=1\]$' --backend fake --device 0 --rounds 4 "
        "--seed 7 --timeout 9.5 --min-time 0.25 --max-noise 0.01 --quick --suites 'my suites' "
        "--probe latency --probe profile --graph --affinity 0,2 --no-record"
    )
    assert shlex.split(command_line(run, a_case(N=1))) == list(command(run, a_case(N=1)))


def test_reports_hold_ids_and_commands() -> None:
    run = one()
    (found,) = run.measurements
    row = json.loads(render(run, "json"))["measurements"][0]
    assert (row["id"], row["repeat"]) == (identity(run, found), command_line(run, found.case))
    assert "repeat any case: dsbench repro ID" in render(run, "table")
    assert f"latency {identity(run, found)}" in html(run)


def ids(dsbench: Dsbench) -> dict[str, str]:
    rows = json.loads(dsbench("report", "--format", "json").stdout)["measurements"]
    return {row["probe"]: row["id"] for row in rows}


def test_repro_measures_the_case_again_and_sets_then_beside_now(dsbench: Dsbench) -> None:
    dsbench(*RUN, "-k", "double", "--seed", "3")
    wanted = next(
        row["id"]
        for row in json.loads(dsbench("report", "--format", "json").stdout)["measurements"]
        if row["case"]["name"] == "steady.double.quick[N=1]" and row["probe"] == "latency"
    )
    done = dsbench("repro", wanted[:8])
    assert done.exit_code == exits.OK
    assert "repeat   dsbench run steady -k" in done.stderr
    last = done.stdout.rpartition("steady.double.quick[N=1], latency")[2]
    assert re.search(r"latency +1\.00 ms ±0 % +1\.00 ms ±0 %", last)
    again = runs.read(runs.paths()[-1])
    assert again.planned == ("steady.double.quick[N=1]",)
    assert (again.settings["seed"], again.settings["rounds"]) == (3, 2)


def test_a_dry_run_of_repro_only_prints_the_command(dsbench: Dsbench) -> None:
    dsbench(*RUN, "-k", "unchecked")
    done = dsbench("repro", ids(dsbench)["latency"], "--dry-run")
    assert shlex.split(done.stdout)[:4] == ["dsbench", "run", "steady", "-k"]
    assert len(runs.paths()) == 1


def test_repro_finds_saved_runs_and_the_history_and_says_what_differs(
    dsbench: Dsbench, repository: Commit
) -> None:
    first = repository("one")
    dsbench(*RUN, "-k", "unchecked", "--save", "kept")
    wanted = ids(dsbench)["latency"]
    (path,) = runs.paths()
    path.unlink()
    assert dsbench("repro", wanted, "--dry-run").exit_code == exits.OK
    Path(".dsbench/saved/kept.jsonl").unlink()
    second = repository("two")
    done = dsbench("repro", wanted)
    assert done.exit_code == exits.OK
    assert (
        f"commit: {first[:8]} then, {second[:8]} now; to go back to it: git checkout {first}" in done.stderr
    )
    assert len(list(Path("results").glob("*/*.jsonl"))) == 1


def test_a_failed_case_exits_as_in_run(dsbench: Dsbench) -> None:
    dsbench("run", "--suites", SUITES / "faults", "--backend", "fake", "--rounds", "1", "-k", "fault.raises")
    wanted = ids(dsbench)["latency"]
    done = dsbench("repro", wanted)
    assert done.exit_code == exits.FAILED
    assert "error" in done.stdout.rpartition("then (")[2]


def test_what_verify_saw_is_repeated_by_verify(dsbench: Dsbench) -> None:
    dsbench("verify", "--suites", SUITE, "--backend", "fake", "-k", "unchecked")
    run = runs.read(runs.paths()[0])
    done = dsbench("repro", identity(run, run.measurements[0]))
    assert done.exit_code == exits.OK
    assert "repeat   dsbench verify steady" in done.stderr


def test_an_unknown_an_ambiguous_and_an_empty_id_are_one_clear_line(dsbench: Dsbench) -> None:
    dsbench(*RUN, "-k", "double")
    for wanted, message in [("xyz", "has the id 'xyz'"), ("", "give a measurement's id")]:
        done = dsbench("repro", wanted)
        assert (done.exit_code, message in done.stderr) == (exits.USAGE, True)
    # Of 27 ids, two begin with the same of 16 digits.
    firsts = [identity(runs.read(runs.paths()[0]), m)[0] for m in runs.read(runs.paths()[0]).measurements]
    done = dsbench("repro", next(first for first in firsts if firsts.count(first) > 1))
    assert done.exit_code == exits.USAGE
    assert "give more of it" in done.stderr
