"""Which line memory comes from, by everything that can name one."""

from __future__ import annotations

import inspect
import itertools
import sysconfig
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_torch import bound

import dsbench
from dsbench.backends.cuda_snapshot import block_lines
from dsbench.backends.fake import FakeBackend
from dsbench.backends.ledger import tensor_lines
from dsbench.backends.lines import ELSEWHERE, blamed
from dsbench.backends.native import native_lines
from dsbench.backends.objects import object_lines
from dsbench.probes.leak_origin import NAMED, Origin, origins

HERE = Path(__file__).name
PACKAGE = Path(dsbench.__file__).parent
SITE = Path(sysconfig.get_path("purelib"))
STDLIB = Path(sysconfig.get_path("stdlib"))

kept: list[Any] = []


def line_of(function: Any, number: int) -> int:
    """The line of this file that is so many below the head of a function."""
    return inspect.getsourcelines(function)[1] + number


@pytest.mark.parametrize(
    ("innermost", "said"),
    [
        (SITE / "torch" / "nn" / "linear.py", "user.py:1"),
        (STDLIB / "functools.py", "user.py:1"),
        (PACKAGE / "probes" / "leak.py", "user.py:1"),
        ("<frozen importlib._bootstrap>", "user.py:1"),
        (SITE / "transformers" / "cache.py", f"{SITE}/transformers/cache.py:9"),
        (PACKAGE / "builtin_suites" / "mine.py", f"{PACKAGE}/builtin_suites/mine.py:9"),
    ],
)
def test_the_innermost_line_that_is_a_users_own_is_blamed(innermost: Path | str, said: str) -> None:
    assert said.endswith(blamed([(str(innermost), 9), ("user.py", 1), ("main.py", 2)]))


def test_without_any_line_of_a_user_the_innermost_is_named_and_without_lines_that_is_said() -> None:
    assert blamed([("<string>", 3), ("<string>", 4)]) == "<string>:3"
    assert blamed([]) == ELSEWHERE


def test_a_path_below_the_working_folder_is_short(folder: Path) -> None:
    assert blamed([(str(folder / "mine.py"), 7)]) == "mine.py:7"


def keeps_a_tensor() -> None:
    kept.append(torch.zeros(300))


def replaces_a_tensor() -> None:
    kept[:] = [torch.zeros(300)]


def keeps_a_view_of_the_same() -> None:
    kept.append(kept[0][:10] if kept else torch.zeros(300))


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    kept.clear()


def test_the_ledger_names_the_line_that_made_a_tensor_that_stays() -> None:
    found = tensor_lines(torch, keeps_a_tensor, 8)
    (line,) = found
    assert line.endswith(f"{HERE}:{line_of(keeps_a_tensor, 1)}")
    assert found[line] == 1200


@pytest.mark.parametrize("call", [replaces_a_tensor, keeps_a_view_of_the_same])
def test_the_ledger_counts_neither_what_is_replaced_nor_views_of_what_was_there(call: Any) -> None:
    assert tensor_lines(torch, call, 8) == {}


def test_the_ledger_sees_tensors_of_the_backward_pass() -> None:
    weight = torch.ones(256, requires_grad=True)

    def step() -> None:
        kept.append(torch.autograd.grad((weight * weight).sum(), weight)[0])

    found = tensor_lines(torch, step, 8)
    assert found[next(line for line in found if f":{line_of(step, 1)}" in line)] >= 1024


def test_objects_of_python_are_blamed_on_the_line_that_made_them_unless_they_are_replaced() -> None:
    def step() -> None:
        kept.append(bytearray(1000))
        step.newest = bytearray(5000)  # type: ignore[attr-defined]

    found = object_lines(step, 8)
    (line,) = found
    assert line.endswith(f":{line_of(step, 1)}")
    assert 1000 <= found[line] < 1200


def test_memray_sees_native_memory_unless_it_is_replaced() -> None:
    def step() -> None:
        kept.append(torch.empty(5000))
        step.newest = torch.empty(50000)  # type: ignore[attr-defined]

    found = native_lines(step, 8)
    assert found[next(line for line in found if line.endswith(f":{line_of(step, 1)}"))] >= 20000
    assert not any(line.endswith(f":{line_of(step, 2)}") for line in found)


class TestSnapshots:
    """Of torch's allocator on a device that is not here: its real functions' signatures, made-up blocks."""

    def memory(self, *snapshots: dict[str, int]) -> SimpleNamespace:
        def snapshot(sizes: dict[str, int]) -> dict[str, Any]:
            frames = {name: [{"filename": name, "line": 5, "name": "step"}] for name in sizes}
            blocks = [
                {"state": "active_allocated", "size": size, "frames": frames[name]}
                for name, size in sizes.items()
            ]
            others = [
                {"state": "inactive", "size": 2**30, "frames": []},
                {"state": "active_allocated", "size": 2**20},  # from before the record began
            ]
            return {"segments": [{"blocks": blocks}, {"blocks": others}]}

        answers = iter([snapshot(sizes) for sizes in snapshots])
        return bound(
            torch.cuda.memory,
            _record_memory_history=None,
            _snapshot=lambda device=None: next(answers),
        )

    def test_what_grows_between_two_is_a_leak_and_what_is_replaced_is_none(self) -> None:
        memory = self.memory({"kept.py": 1000, "replaced.py": 512}, {"kept.py": 9000, "replaced.py": 512})
        calls = itertools.count()
        assert block_lines(memory, lambda: next(calls), 8, lambda: None) == {"kept.py:5": 1000}
        assert next(calls) == 9

    def test_the_record_ends_even_when_a_step_fails(self) -> None:
        memory = self.memory({}, {})

        def fails() -> None:
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            block_lines(memory, fails, 8, lambda: None)
        memory._record_memory_history.assert_called_with(None)


def test_a_line_that_several_name_is_named_once_by_the_first_with_the_most() -> None:
    class Backend(FakeBackend):
        def allocations(self) -> dict[str, Any]:
            return {
                "tensors": lambda call, steps: {"a.py:1": 1000.0, "small.py:1": 10.0},
                "native memory": lambda call, steps: {
                    "a.py:1": 1400.0,
                    "b.py:2": 600.0,
                    "c.py:3": 500.0,
                    "d.py:4": 400.0,
                },
            }

    found = origins(Backend(), lambda: None, leak=1000)
    assert found[0] == Origin("a.py:1", 1400.0, "tensors")
    assert [origin.line for origin in found] == ["a.py:1", "b.py:2", "c.py:3"]
    assert len(found) == NAMED
    assert str(found[0]) == "a.py:1: 1,400 B a step (tensors)"
