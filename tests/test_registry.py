"""Suites: found, expanded, selected; and what they may not declare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import SUITES

from dsbench.records import Work
from dsbench.registry import (
    Axis,
    Benchmark,
    Candidate,
    DeclarationError,
    benchmark,
    cases,
    discover,
    load,
    nearest,
    resolve,
    select,
)


def inputs(device: str, seed: int) -> dict[str, int]:
    """Nothing much."""
    return {"x": seed}


def test_a_suite_is_expanded_to_candidates_times_points_points_outermost() -> None:
    names = [case.name for case in cases(discover(SUITES / "steady").values(), "fake", quick=True)]
    assert names == [
        "steady.double.plain[N=1]",
        "steady.double.quick[N=1]",
        "steady.double.rough[N=1]",
        "steady.double.plain[N=10]",
        "steady.double.quick[N=10]",
        "steady.double.rough[N=10]",
        "steady.unchecked.only[N=5]",
    ]


def test_an_axis_is_limited_to_what_a_backend_can_reach() -> None:
    axis = Axis((1, 2, 3), quick=(1, 3), limits={"cpu": (1, 2)})
    assert axis.values("cuda", quick=False) == (1, 2, 3)
    assert axis.values("cpu", quick=False) == (1, 2)
    assert axis.values("cpu", quick=True) == (1,)


def test_a_suite_that_cannot_be_imported_is_an_error_with_its_message_beside_the_others() -> None:
    suites = discover(SUITES / "broken")
    assert suites["broken"].error == "RuntimeError: the weights are not here"
    assert suites["steady"].benchmarks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "it declares no benchmark"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_whatever_a_suite_raises_becomes_its_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sad.py"
    path.write_text(text)
    assert message in load(path).error


def test_files_that_begin_with_an_underscore_are_no_suites(tmp_path: Path) -> None:
    (tmp_path / "_helper.py").write_text("")
    with pytest.raises(FileNotFoundError, match="no suites in"):
        discover(tmp_path)


def test_suites_can_import_what_lies_beside_them(tmp_path: Path) -> None:
    (tmp_path / "_beside_a_suite.py").write_text("from dsbench.registry import benchmark\n")
    (tmp_path / "mine.py").write_text(
        "from _beside_a_suite import benchmark\n"
        "@benchmark(candidates={'a': abs}, baseline='a')\n"
        "def one(device, seed):\n    return {}\n"
    )
    assert list(discover(tmp_path)["mine"].benchmarks) == ["one"]


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"baseline": "fsat"}, "baseline 'fsat' is no candidate; did you mean 'fast'?"),
        ({"probes": ("latancy",)}, "unknown probe 'latancy'; did you mean 'latency'?"),
        ({"probes": ("error",)}, "needs an oracle"),
        ({"probes": ("sqnr",)}, "'sqnr' needs an oracle"),
        ({"axes": {"N": ()}}, "axis 'N' has no values"),
    ],
)
def test_a_declaration_that_cannot_be_measured_is_refused(
    declaration: dict[str, object], message: str
) -> None:
    complete = {"candidates": {"fast": abs}, "baseline": "fast", **declaration}
    with pytest.raises(DeclarationError, match=message.replace("?", r"\?")):
        benchmark(**complete)(inputs)  # type: ignore[arg-type]


def test_the_work_of_a_candidate_replaces_that_of_the_benchmark() -> None:
    declared = benchmark(
        candidates={"all": abs, "less": Candidate(abs, work=lambda N: (N, None))},
        baseline="all",
        axes={"N": (8,)},
        work=lambda N: (2 * N, 4 * N),
    )(inputs)
    everything, less = declared.cases("cpu", quick=False)
    assert declared.work_of(everything) == Work(16, 32)
    assert declared.work_of(less) == Work(8, None)


def test_a_quick_run_leaves_out_the_candidates_that_are_not_quick() -> None:
    declared = benchmark(
        candidates={"short": abs, "long": Candidate(abs, quick=False)}, baseline="short", axes={"N": (8, 9)}
    )(inputs)
    assert [case.candidate for case in declared.cases("cpu", quick=True)] == ["short", "short"]
    assert [case.candidate for case in declared.cases("cpu", quick=False)] == ["short", "long"] * 2


def test_a_function_is_found_by_its_name() -> None:
    assert resolve("os.path:join")("a", "b") == "a/b"
    with pytest.raises(ModuleNotFoundError):
        resolve("no_such_module:function")
    with pytest.raises(DeclarationError, match="is not callable"):
        resolve("os:name")


def test_filters_are_searched_as_regular_expressions_and_as_they_stand() -> None:
    found = cases(discover(SUITES / "steady").values(), "fake", quick=True)
    assert [c.name for c in select(found, ["quick"])] == [
        "steady.double.quick[N=1]",
        "steady.double.quick[N=10]",
    ]
    assert [c.name for c in select(found, ["steady.double.plain[N=1]"])] == ["steady.double.plain[N=1]"]
    assert [c.name for c in select(found, ["plain", "only"], ["N=10?]"])] == ["steady.unchecked.only[N=5]"]


def test_the_nearest_known_word_is_suggested() -> None:
    assert nearest("atention", ["attention", "batching"]) == "did you mean 'attention'?"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"


def declare(**options: Any) -> Benchmark:
    """A benchmark with nothing but what is asked for."""
    return benchmark(candidates={"a": len}, baseline="a", **options)(inputs)


def test_where_keeps_the_points_that_make_sense() -> None:
    declared = declare(axes={"N": (1, 2, 3), "k": (1, 2, 3)}, where=lambda N, k: k <= N)
    assert [case.at for case in declared.cases("cpu", quick=False)] == [
        {"N": n, "k": k} for n in (1, 2, 3) for k in range(1, n + 1)
    ]


def test_where_has_to_leave_a_point() -> None:
    with pytest.raises(DeclarationError, match="'where' leaves no point"):
        declare(axes={"N": (1,)}, where=lambda N: N > 1)


@pytest.mark.parametrize("name", ["device", "seed", "candidate"])
def test_an_axis_cannot_have_a_name_that_is_taken(name: str) -> None:
    with pytest.raises(DeclarationError, match=f"an axis cannot be named '{name}'"):
        declare(axes={name: (1,)})
