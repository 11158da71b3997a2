"""The contract with asv: what dsbench records, the real asv publishes, shows and compares."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from make_history import World, git, refuse, strict
from make_runs import a_case, a_run, an_environment, around, failed, measured

from dsbench.history import HistoryError, publish, record, recorded, series
from dsbench.metrics import METRICS, Metric
from dsbench.records import Device, Status
from dsbench.stats.intervals import of_rounds

CPU = Device("cpu", "Example CPU")
CUDA = Device("cuda", "Example H1", driver="580.1", versions={"cuda": "13.0"})
DAY = 86_400
START = 1_700_000_000
METRICS_AND_GOODPUT = {
    **METRICS,
    # More is better, as in no built-in primary metric.
    "goodput": Metric(
        "goodput",
        unit="req/s",
        direction="higher",
        probe="load",
        reading="goodput",
        formula=lambda _, samples: of_rounds([[sample.value for sample in samples]]),
        meaning="requests a second that were answered in time",
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home, and no repository of a git hook, for this process and those it starts."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        yield folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, home: Path) -> World:
    """Two machines, one of them with two backends, over four commits; from the third commit on
    everything but one case takes twice as long, and in the fourth that one fails."""
    repo = tmp_path_factory.mktemp("project")
    git(repo, "init", "--quiet", "--initial-branch=main")
    (repo / "asv.conf.json").write_text((Path(__file__).parents[1] / "asv.conf.json").read_text())
    git(repo, "add", ".")
    results = repo / "results"
    for number in range(4):
        when, slow = START + number * DAY, 1.0 if number < 2 else 2.0
        git(repo, "commit", "--quiet", "--allow-empty", "-m", f"c{number}", date=f"{when} +0000")
        eager = a_case("eager", N=4096)
        cuda = [
            *(
                measured(a_case(name, N=N), "latency", {"latency": around(seconds * slow)})
                for name, N, seconds in (("flash", 64, 1e-5), ("flash", 4096, 1e-3), ("eager", 64, 2e-5))
            ),
            measured(eager, "latency", {"latency": around(4e-3)})
            if number < 3
            else failed(eager, "latency", Status.OOM, "needs 80 GiB of 40 GiB", "Traceback\u2028..."),
            measured(a_case("flash", benchmark="decode"), "latency", {"latency_cold": around(5e-6)}),
        ]
        cpu = [
            measured(a_case("flash", N=64), "latency", {"latency": around(1e-3 * slow)}),
            failed(a_case("eager", N=64), "latency", Status.UNSUPPORTED, "this build lacks it"),
            measured(a_case("flash", N=64), "error", {"error": [[0.125], [0.25]]}),
            measured(a_case("static", "batching", "serve"), "load", {"goodput": [[300.0 + number]]}),
        ]
        commit = git(repo, "rev-parse", "HEAD")
        for machine, device, found in (("m1", CUDA, cuda), ("m1", CPU, cpu), ("m2", CPU, cpu[:1])):
            where = an_environment(machine=machine, device=device, commit=commit, commit_time=float(when))
            record(a_run(found, environment=where), results, METRICS_AND_GOODPUT)
    html = tmp_path_factory.mktemp("site") / "deep" / "html"
    publish(results, html, repo)
    commits = tuple(reversed(git(repo, "log", "--format=%H").splitlines()))
    return World(repo, results, html, home, commits)


def near(*seconds: float | None) -> list[Any]:
    return [None if value is None else pytest.approx(value, rel=1e-3) for value in seconds]


def test_published_graphs_hold_the_recorded_values_apart_by_machine_and_backend(world: World) -> None:
    assert world.graph("attention.prefill.latency", "machine-m1", "backend-cuda", "branch-main") == [
        [0, near(1e-5, 1e-3, 2e-5, 4e-3)],
        [1, near(1e-5, 1e-3, 2e-5, 4e-3)],
        [2, near(2e-5, 2e-3, 4e-5, 4e-3)],
        [3, near(2e-5, 2e-3, 4e-5, None)],
    ]
    for machine in ("m1", "m2"):
        cpu = world.graph("attention.prefill.latency", f"machine-{machine}", "backend-cpu", "branch-main")
        assert cpu == [[n, near(v, None, None, None)] for n, v in enumerate((1e-3, 1e-3, 2e-3, 2e-3))]


def test_the_published_index_describes_every_benchmark_of_every_backend(world: World) -> None:
    found = strict(world.html / "index.json")["benchmarks"]
    assert {name: entry["unit"] for name, entry in found.items()} == {
        "attention.decode.latency_cold": "seconds",
        "attention.prefill.error": "unit",
        "attention.prefill.latency": "seconds",
        "batching.serve.goodput": "req/s",
    }
    latency = found["attention.prefill.latency"]
    assert latency["params"] == [["'flash'", "'eager'"], ["64", "4096"]]
    assert (latency["param_names"], latency["type"]) == (["candidate", "N"], "time")


def test_direction_is_stored_and_kept_by_publish(world: World) -> None:
    for found in (strict(world.results / "benchmarks.json"), strict(world.html / "index.json")["benchmarks"]):
        assert found["batching.serve.goodput"]["direction"] == "higher"
        assert found["attention.prefill.latency"]["direction"] == "lower"


def test_a_benchmark_of_one_backend_is_published_for_it(world: World) -> None:
    assert world.graph("attention.decode.latency_cold", "backend-cuda") == [[n, near(5e-6)] for n in range(4)]


def test_a_value_that_is_a_maximum_is_published_as_such(world: World) -> None:
    assert world.graph("attention.prefill.error", "machine-m1") == [[n, [0.25]] for n in range(4)]


def test_asv_show_lists_the_commits_of_each_environment(world: World) -> None:
    text = world.asv("show")
    assert re.findall(r"Machine    : (\S+)\nEnvironment: (\S+)", text) == [
        ("m1", "dsbench-cpu-py3.12"),
        ("m1", "dsbench-cuda-py3.12"),
        ("m2", "dsbench-cpu-py3.12"),
    ]
    assert all(text.count(commit[:8]) == 3 for commit in world.commits)


def test_asv_show_prints_values_units_statistics_and_failures(world: World) -> None:
    text = world.asv("show", "--details", "--machine", "m1", "--bench", "prefill.latency", world.commits[3])
    cpu, cuda = text.split("attention.prefill.latency [m1/dsbench-cuda-py3.12]")
    assert re.search(r"flash +2\.00±0\.02ms +failed", cpu), cpu
    assert re.search(r"flash +20\.0±0\.2μs +2\.00±0\.02ms", cuda), cuda
    assert re.search(r"eager +40\.0±0\.3μs +failed", cuda), cuda
    assert "1/4 failed" in cuda
    assert "repeat: 15, 15, 15, None" in cuda


def test_asv_compare_finds_the_change_and_the_new_failure(world: World) -> None:
    text = world.asv("compare", "--machine", "m1", world.commits[0], world.commits[3])
    lines = [line.split("|")[1:6] for line in text.splitlines() if "dsbench-" in line]
    rows = {name.strip(): (change.strip(), ratio.strip()) for change, _, _, ratio, name in lines}
    assert rows == {
        "attention.prefill.latency(flash, 64) [m1/dsbench-cuda-py3.12]": ("+", "2.00"),
        "attention.prefill.latency(flash, 4096) [m1/dsbench-cuda-py3.12]": ("+", "2.00"),
        "attention.prefill.latency(eager, 64) [m1/dsbench-cuda-py3.12]": ("+", "2.00"),
        "attention.prefill.latency(eager, 4096) [m1/dsbench-cuda-py3.12]": ("!", "n/a"),
        "attention.decode.latency_cold(flash) [m1/dsbench-cuda-py3.12]": ("", "1.00"),
        "attention.prefill.latency(flash, 64) [m1/dsbench-cpu-py3.12]": ("+", "2.00"),
        "attention.prefill.latency(eager, 64) [m1/dsbench-cpu-py3.12]": ("", "n/a"),
        "attention.prefill.error(flash, 64) [m1/dsbench-cpu-py3.12]": ("", "1.00"),
        "batching.serve.goodput(static) [m1/dsbench-cpu-py3.12]": ("", "1.01"),
    }
    assert re.search(
        r"4\.00±0\.0\dms +\| failed +\| n/a +\| attention\.prefill\.latency\(eager, 4096\)", text
    )


def test_asv_publish_works_at_the_root_of_a_repository(world: World) -> None:
    world.asv("publish")
    assert strict(world.repo / ".dsbench" / "asv" / "index.json")["project"] == "dsbench"


def test_no_written_file_holds_nan_or_infinity(world: World) -> None:
    written = list(world.results.rglob("*.json*"))
    assert len(written) == 1 + 2 + 2 * 12  # benchmarks, machines, and two files for each of 12 runs
    for path in written:
        with path.open(encoding="utf-8") as stream:
            for document in stream if path.suffix == ".jsonl" else [stream.read()]:
                json.loads(document, parse_constant=refuse)


def test_git_and_asv_see_nothing_of_the_lock(world: World) -> None:
    changes = git(world.repo, "status", "--porcelain", "--untracked-files=all", "results")
    assert "results/benchmarks.json" in changes
    assert ".dsbench" not in changes
    assert "Skipping" not in world.asv("show")


def test_the_home_of_the_user_stays_untouched(world: World) -> None:
    assert list(world.home.iterdir()) == []


def test_recorded_runs_come_back_whole_in_the_order_of_their_commits(world: World) -> None:
    runs, problems = recorded(world.results)
    assert problems == []
    assert [run.environment.commit for run in runs] == [c for c in world.commits for _ in range(3)]
    cuda = next(run for run in runs[-3:] if run.environment.device == CUDA)
    broken = next(m for m in cuda.measurements if m.status is Status.OOM)
    assert (broken.reason, broken.detail) == ("needs 80 GiB of 40 GiB", "Traceback\u2028...")
    assert {sample.round for sample in cuda.measurements[0].readings["latency"]} == {0, 1, 2}


def test_series_hold_a_point_for_each_commit_failures_included(world: World) -> None:
    found = {(s.machine, s.device, s.case.name, s.metric): s for s in series(recorded(world.results)[0])}
    eager = found["m1", "Example H1", "attention.prefill.eager[N=4096]", "latency"]
    assert eager.environment == "dsbench-cuda-py3.12"
    assert [(p.commit, p.commit_time) for p in eager.points] == [
        (commit, START + number * DAY) for number, commit in enumerate(world.commits)
    ]
    assert [p.estimate and p.estimate.value for p in eager.points] == near(4e-3, 4e-3, 4e-3, None)
    last = eager.points[-1]
    assert (last.status, last.reason, last.run) == (Status.OOM, "needs 80 GiB of 40 GiB", a_run([]).id)
    assert ("m2", "Example CPU", "attention.prefill.flash[N=64]", "latency") in found


def test_publishing_again_replaces_the_site_and_a_failure_leaves_it(world: World, tmp_path: Path) -> None:
    html = tmp_path / "html"
    publish(world.results, html, world.repo)
    (html / "left.txt").write_text("of the old site")
    publish(world.results, html, world.repo / "results")  # a folder of the repository does as well
    assert not (html / "left.txt").exists()
    with pytest.raises(
        HistoryError, match=r"^asv publish failed: Benchmark list file .*benchmarks\.json missing!$"
    ):
        publish(tmp_path / "nothing", html, world.repo)
    assert (html / "index.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["html"]


def test_publishing_into_a_folder_of_other_files_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("the only copy")
    with pytest.raises(HistoryError, match="holds other files"):
        publish(world.results, tmp_path, world.repo)
    assert (tmp_path / "thesis.tex").read_text() == "the only copy"


def test_a_site_without_a_recorded_commit_is_refused(world: World, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=trunk")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "another history", date=f"{START} +0000")
    with pytest.raises(HistoryError, match="no recorded commit is on trunk"):
        publish(world.results, tmp_path / "html", tmp_path)
    assert not (tmp_path / "html").exists()
