"""Profiles: what the profiler is asked, what is kept of it, and how two of them are compared."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result
from conftest import SUITES
from make_runs import a_case, a_run, measured
from rigs import cuda, real
from torch.autograd.profiler_util import FunctionEvent

from dsbench import runs
from dsbench.backends.profiling import NO_DEVICE, Kernel, Profile, device_kernels, operators
from dsbench.cli import exits
from dsbench.probes.profile import NAMED, _readings, trace_path
from dsbench.records import Measurement
from dsbench.reports import render_verdicts
from dsbench.reports.kernels import compared, kernels

Dsbench = Callable[..., Result]

STEADY = ("--suites", SUITES / "steady", "--backend", "fake")
HOST, DEVICE = torch.autograd.DeviceType.CPU, torch.autograd.DeviceType.CUDA


def event(name: str, start: int, end: int, kind: object, annotation: bool = False) -> FunctionEvent:
    """An event as torch's profiler gives it; times in microseconds."""
    return FunctionEvent(
        id=0,
        name=name,
        thread=1,
        start_us=start,
        end_us=end,
        device_type=kind,
        use_device="cuda",
        is_user_annotation=annotation,
    )


def test_kernels_are_what_ran_on_the_device_summed_by_name_the_longest_first() -> None:
    events = [
        event("aten::mm", 0, 90, HOST),
        event("my range", 0, 100, DEVICE, annotation=True),
        event("softmax", 0, 4, DEVICE),
        event("gemm", 4, 14, DEVICE),
        event("gemm", 14, 26, DEVICE),
    ]
    found = device_kernels(events, HOST, calls=2)
    assert [(kernel.name, round(kernel.seconds * 1e6, 9), kernel.launches) for kernel in found] == [
        ("gemm", 11.0, 1.0),
        ("softmax", 2.0, 0.5),
    ]
    assert [kernel.name for kernel in operators(events, HOST, calls=2)] == ["aten::mm"]


def test_on_the_host_torchs_operators_are_named_and_a_trace_is_written(tmp_path: Path) -> None:
    numbers, trace = torch.ones(64, 64), tmp_path / "trace.json.gz"
    found = real("cpu").backend.profile(lambda: torch.softmax(numbers @ numbers, -1), 3, trace)
    launches = {kernel.name: kernel.launches for kernel in found.kernels}
    assert (found.kind, found.fallback) == ("operators", "")
    assert (launches["aten::mm"], launches["aten::_softmax"]) == (1.0, 1.0)
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert sum(found.get("name") == "aten::mm" for found in events) == 3


def test_a_device_that_the_profiler_cannot_see_falls_back_to_operators_and_says_why() -> None:
    numbers = torch.ones(8)
    found = cuda().backend.profile(lambda: numbers + 1, 2)
    assert found.kind == "operators"
    assert found.kernels
    # The torch of a test machine with an accelerator sees that one's own kernels, of which there are none.
    if not torch.cuda.is_available():
        assert found.fallback == NO_DEVICE


def test_kernels_beyond_the_longest_are_summed() -> None:
    found = tuple(Kernel(f"k{number}", 1.0 / (number + 1), 2.0) for number in range(NAMED + 5))
    readings = _readings(Profile("kernels", found))
    assert sum(name.startswith("kernel:") for name in readings) == NAMED + 1
    assert readings["launches:other"] == [10.0]
    parts = sum(values[0] for name, values in readings.items() if name.startswith("kernel:"))
    assert abs(parts - readings["kernel_time"][0]) < 1e-12


def test_every_case_has_a_trace_of_its_own_in_the_folder_whatever_it_is_called() -> None:
    folder = Path("traces")
    names = ["plain", "../../up", "a/b", "a_b", "x" * 300, "x" * 301, "\ud800", ""]
    paths = [trace_path(folder, a_case(name, N=1)) for name in names]
    assert len(set(paths)) == len(names)
    assert {path.parent for path in paths} == {folder}
    assert max(len(path.name) for path in paths) < 200
    assert paths[0].name == "attention.prefill.plain[N=1].json.gz"


def test_profile_writes_a_trace_a_case_and_names_the_kernels(dsbench: Dsbench) -> None:
    done = dsbench("profile", "steady.double.plain[N=10]", *STEADY, "--save", "mine")
    assert done.exit_code == exits.OK
    assert "spend" in done.stdout
    assert "100 %" in done.stdout
    (trace,) = Path(".dsbench/profiles").glob("*/*.json.gz")
    assert str(trace) in done.stdout
    assert "https://ui.perfetto.dev or chrome://tracing" in done.stdout
    assert json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"][0]["name"] == "spend"
    run = runs.read(Path(".dsbench/saved/mine.jsonl"))
    assert run.id == trace.parent.name
    assert [m.probe for m in run.measurements] == ["profile"]
    assert not Path("results").exists()


def test_profile_as_json_holds_every_kernel_and_its_share(dsbench: Dsbench) -> None:
    done = dsbench("profile", "double.quick", *STEADY, "--quick", "--format", "json", "-o", "traces")
    cases = json.loads(done.stdout)["cases"]
    assert [case["kind"] for case in cases] == ["kernels", "kernels"]
    assert cases[0]["kernels"] == [{"name": "spend", "seconds": 1e-3, "share": 1.0, "launches": 1.0}]
    assert {Path(case["trace"]) for case in cases} == set(Path("traces").iterdir())


def test_kernel_time_is_a_metric_of_a_run_that_asks_for_it(dsbench: Dsbench) -> None:
    asked = ("--probe", "latency", "--probe", "profile", "-k", "plain[N=1]", "--format", "json")
    document = json.loads(dsbench("run", *STEADY, "--min-time", "0.001", "--rounds", "2", *asked).stdout)
    (found,) = [m for m in document["measurements"] if m["probe"] == "profile"]
    assert found["metrics"]["kernel_time"]["value"] == pytest.approx(2e-3)
    assert "trace" not in found["notes"]
    assert not Path(".dsbench/profiles").exists()


def test_a_profile_is_not_taken_for_the_newest_run(dsbench: Dsbench) -> None:
    dsbench("profile", "double.plain[N=1]", *STEADY)
    assert dsbench("report").exit_code == exits.NOTHING


def test_too_many_cases_and_a_folder_that_refuses_are_one_clear_line(dsbench: Dsbench) -> None:
    many = "\n".join(
        [
            "from dsbench.backends.fake import spend",
            "from dsbench.registry import benchmark",
            "def work(x):",
            "    spend(1e-3)",
            "@benchmark(candidates={'only': work}, baseline='only', axes={'N': tuple(range(30))})",
            "def wide(N, device, seed):",
            "    '''Many points.'''",
            "    return {'x': N}",
        ]
    )
    Path("many").mkdir()
    Path("many/many.py").write_text(many)
    done = dsbench("profile", "wide", "--suites", "many", "--backend", "fake")
    assert done.exit_code == exits.USAGE
    assert "'wide' matches 30 cases" in done.stderr
    Path("taken").write_text("a file")
    done = dsbench("profile", "plain[N=1]", *STEADY, "-o", "taken/traces")
    assert done.exit_code == exits.USAGE
    assert "cannot write to taken/traces" in done.stderr
    assert dsbench("profile", "nothing-like-it", *STEADY).exit_code == exits.NOTHING


def profiled(kind: str = "kernels", **seconds: float) -> Measurement:
    readings = {f"kernel:{name}": [[value]] for name, value in seconds.items()}
    total = {"kernel_time": [[sum(seconds.values())]]}
    found = measured(a_case("flash", N=1), "profile", {**total, **readings})
    return Measurement(found.case, found.probe, found.status, readings=found.readings, notes={"kind": kind})


def test_a_comparison_names_new_gone_and_changed_kernels_the_largest_difference_first() -> None:
    before = a_run([profiled(gemm=1e-3, cast=1e-4, same=5e-4, tiny=1e-7)])
    after = a_run([profiled(gemm=2e-3, fused=2e-4, same=5.1e-4, tiny=3e-7)])
    found = compared(before, after)
    assert found is not None
    assert [(c.name, c.before, c.after) for c in found.changes] == [
        ("gemm", 1e-3, 2e-3),
        ("fused", None, 2e-4),
        ("cast", 1e-4, None),
    ]
    text = render_verdicts([], "table", exit_code=0, kernels=found)
    assert "gemm" in text
    assert "gone" in text
    assert "| cast | 100 µs | – | gone |" in render_verdicts([], "markdown", exit_code=0, kernels=found)
    rows = json.loads(render_verdicts([], "json", exit_code=0, kernels=found))["kernels"]["changes"]
    assert [row["change"] for row in rows] == [1.0, None, -1.0]


def test_profiles_of_unlike_kinds_are_not_compared_and_runs_without_any_say_nothing() -> None:
    one, other = a_run([profiled(gemm=1e-3)]), a_run([profiled("operators", mm=1e-3)])
    found = compared(one, other)
    assert found is not None
    assert found.changes == ()
    text = render_verdicts([], "table", exit_code=0, kernels=found)
    assert "kernels in one run, operators in the other" in text
    latency = a_run([measured(a_case(N=1), "latency", {"latency": [[1e-3]]})])
    assert compared(one, latency) is None


def test_compare_of_two_profiled_runs_names_the_kernels_that_changed(dsbench: Dsbench) -> None:
    dsbench("profile", "plain[N=1]", *STEADY, "--save", "a")
    text = Path(".dsbench/saved/a.jsonl").read_text()
    Path("b.jsonl").write_text(text.replace('"kernel:spend":[[0.002,', '"kernel:spend":[[0.006,'))
    done = dsbench("compare", "a", "b.jsonl")
    assert "kernels that changed" in done.stdout
    assert "2.00 ms  6.00 ms  +200 %" in done.stdout
    # Whoever reads kernels gets the longest first.
    assert kernels(runs.read(Path("b.jsonl")).measurements[0])[0].seconds == 6e-3
