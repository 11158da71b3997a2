"""What is captured of a machine and a repository, and what differs between two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from make_runs import an_environment

from dsbench.backends.fake import FakeBackend
from dsbench.doctor import warnings
from dsbench.environment import capture, commit_of, difference, machine_name, repository
from dsbench.records import Device


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (Device("cuda", "NVIDIA H200"), "h200"),
        (Device("cuda", "NVIDIA GeForce RTX 4090"), "geforce-rtx-4090"),
        (Device("rocm", "AMD Instinct MI300X"), "instinct-mi300x"),
        (Device("cpu", "AMD EPYC"), "epyc-2c"),
        (Device("cpu", "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"), "xeon-platinum-8481c-2c"),
        (Device("mps", "Apple M2 Pro"), "apple-m2-pro"),
        (Device("cpu", ""), "cpu-2c"),
    ],
)
def test_a_machine_is_named_by_its_hardware(device: Device, name: str) -> None:
    assert machine_name(device, cores=2) == name


def test_a_name_given_by_the_user_stands() -> None:
    assert capture(FakeBackend(), machine="bench-7").machine == "bench-7"


def test_outside_a_repository_there_is_no_commit(folder: Path) -> None:
    found = repository(folder)
    assert (found.commit, found.dirty) == (None, False)
    assert commit_of(folder, "HEAD") is None


def test_a_commit_is_read_with_its_time_and_subject(folder: Path, repository: Callable[[str], str]) -> None:
    from dsbench import environment

    commit = repository('faster: "quotes" and more')
    found = environment.repository(folder)
    assert (found.commit, found.subject, found.dirty) == (commit, 'faster: "quotes" and more', False)
    assert found.commit_time is not None
    assert found.commit_time > 1.7e9
    assert commit_of(folder, "main") == commit
    assert commit_of(folder, "no-such-branch") is None
    assert commit_of(folder, "--help") is None


def test_a_changed_or_new_file_makes_the_tree_dirty_but_not_what_dsbench_writes(
    folder: Path, repository: Callable[[str], str]
) -> None:
    from dsbench import environment

    repository("one")
    for name in ("results/x.json", ".dsbench/runs/y.jsonl"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
    (folder / "suites" / "__pycache__").mkdir(parents=True)
    (folder / "suites" / "__pycache__" / "echoes.pyc").write_bytes(b"")
    assert not environment.repository(folder, ignoring=(Path("results"),)).dirty
    assert environment.repository(folder).dirty
    (folder / "code.txt").write_text("changed")
    assert environment.repository(folder, ignoring=(Path("results"),)).dirty


def test_environments_differ_by_name_and_value_and_not_by_commit() -> None:
    before = an_environment()
    after = replace(before, python="3.13.0", commit="f" * 40, versions={**before.versions, "dsbench": "9"})
    assert difference(before, before) == {}
    assert difference(before, after) == {
        "python": (before.python, "3.13.0"),
        "dsbench": (before.versions.get("dsbench", "–"), "9"),
    }


def test_the_doctor_names_a_governor_and_turbo_with_the_command_that_helps(tmp_path: Path) -> None:
    cpu = tmp_path / "devices/system/cpu"
    for name, value in {"cpu0/cpufreq/scaling_governor": "powersave\n", "cpufreq/boost": "1\n"}.items():
        (cpu / name).parent.mkdir(parents=True, exist_ok=True)
        (cpu / name).write_text(value)
    found = " ".join(warnings(tmp_path))
    assert "'powersave'" in found
    assert "sudo cpupower frequency-set -g performance" in found
    assert "cpufreq/boost" in found
    (cpu / "cpu0/cpufreq/scaling_governor").write_text("performance")
    (cpu / "cpufreq/boost").write_text("0")
    assert "governor" not in " ".join(warnings(tmp_path))
