"""The suite `quantization`: what it declares, and that every candidate computes what its reference says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from dsbench.backends import BACKENDS
from dsbench.probes import Prepared, Workload
from dsbench.probes.prepared import BEFORE
from dsbench.registry import Benchmark, builtin_suites, load, resolve
from reference_models.quantization import integer, linear

PATH = builtin_suites() / "quantization.py"


@pytest.fixture(scope="module")
def benchmarks() -> dict[str, Benchmark]:
    suite = load(PATH)
    assert not suite.error
    return dict(suite.benchmarks)


def test_reading_the_suite_imports_neither_torch_nor_what_is_optional() -> None:
    program = (
        "import sys; from pathlib import Path; from dsbench.registry import load; "
        f"suite = load(Path({str(PATH)!r})); "
        "print(suite.error, *suite.benchmarks, {'torch', 'sklearn', 'torchao'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PATH.parent.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["linear", "digits", "set()"]


def test_the_baselines_are_float32_and_the_control_arm_is_there(benchmarks: dict[str, Benchmark]) -> None:
    assert {found.baseline for found in benchmarks.values()} == {"float32"}
    assert "control" in benchmarks["digits"].candidates


@pytest.mark.parametrize(
    ("backend", "quick", "layers", "models"),
    [("cpu", True, 4, 7), ("cpu", False, 40, 27), ("cuda", False, 30, 9), ("mps", True, 4, 7)],
)
def test_each_device_gets_what_it_can_do_in_time(
    benchmarks: dict[str, Benchmark], backend: str, quick: bool, layers: int, models: int
) -> None:
    assert len(benchmarks["linear"].cases(backend, quick)) == layers
    assert len(benchmarks["digits"].cases(backend, quick)) == models


@pytest.mark.parametrize("rows", [1, 8, 512])
def test_every_layer_is_right_leaves_its_inputs_and_returns_memory_of_its_own(
    benchmarks: dict[str, Benchmark], rows: int
) -> None:
    declared = benchmarks["linear"]
    backend = BACKENDS["cpu"]()
    cases = [c for c in declared.cases("cpu", quick=False) if c.at == {"B": rows, "mode": "eager"}]
    workload = Workload(declared, cases[0], backend, seed=0)
    found = {}
    for case in cases:
        function = resolve(declared.candidates[case.candidate].function)
        found[case.candidate] = Prepared(case, workload, 0, function).check(BEFORE)
    assert {answer.problem for answer in found.values()} == {""}
    # The double-precision sums of integers are exact; torchao's tokens may round the other way on an edge.
    assert found["int8"].mismatch < 1e-6
    assert found["torchao"].mismatch < 1e-3
    assert found["float32"].error < 1e-6
    assert 1e-3 < found["bfloat16"].error < 4e-3 < found["int8"].error < 1e-2


def test_the_timed_int8_layer_is_the_one_that_models_are_converted_to() -> None:
    given = linear.inputs(B=4, mode="eager", device="cpu", seed=0)
    prepared = linear.prepare_int8(**given)
    layer = integer.IntegerLinear(
        linear.FakeLinear(linear._layer(given["weight"], given["bias"]), linear.Scheme(8, 8))
    )
    assert torch.equal(linear.int8(**prepared), layer(given["x"]))


def test_every_formula_of_work_takes_every_point(benchmarks: dict[str, Benchmark]) -> None:
    declared = benchmarks["linear"]
    bytes_of = {}
    for case in declared.cases("cpu", quick=False):
        work = declared.work_of(case)
        assert work.flops == 2 * case.at["B"] * 1024**2  # type: ignore[operator]
        if case.at["B"] == 1:
            bytes_of[case.candidate] = work.bytes
    assert bytes_of["int8"] < bytes_of["bfloat16"] < bytes_of["float32"]  # type: ignore[operator]


def test_a_run_keeps_rounds_as_seeds_and_shows_accuracy_beside_size(
    dsbench: Callable[..., Result], tmp_path: Path
) -> None:
    suites = tmp_path / "suites"
    suites.mkdir()
    (suites / "tiny.py").write_text(
        "from dsbench.registry import benchmark\n\n"
        '@benchmark(candidates={"base": "_tiny:base", "other": "_tiny:other"}, baseline="base",\n'
        '           probes=("accuracy",))\n'
        "def items(device, seed):\n"
        '    return {"seed": seed}\n'
    )
    (suites / "_tiny.py").write_text(
        "def base(seed):\n"
        '    return {"correct": [True] * 39 + [seed == 0], "bytes": 400}\n\n'
        "def other(seed):\n"
        '    return {"correct": [False] + [True] * 39, "bytes": 100}\n'
    )
    done = dsbench("run", "--suites", suites, "--backend", "fake", "--rounds", "2", "--format", "json")
    assert done.exit_code == 0, done.output
    other = next(
        found for found in json.loads(done.stdout)["measurements"] if found["case"]["candidate"] == "other"
    )
    assert other["readings"]["wrong"] == [[0.0, 0, 1], [0.0, 1, 1]]
    assert other["readings"]["baseline_wrong"] == [[39.0, 1, 1]]
    assert other["metrics"]["accuracy"]["value"] == pytest.approx(78 / 80)
    assert other["metrics"]["accuracy_difference"]["value"] == pytest.approx(-1 / 80)
    table = dsbench("report").stdout
    assert "−1.25 pp [" in table
    assert "25.0 %" in table
