"""What is read of the host's files, on files that say so."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from dsbench.backends import UnsupportedError, host

MIB = 2**20


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.mark.parametrize(
    ("variable", "threads"),
    [({"OMP_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": " 4,2"}, 4)],
)
def test_omp_num_threads_decides_how_many(variable: dict[str, str], threads: int) -> None:
    assert host.thread_count(variable) == threads


@pytest.mark.parametrize("variable", [{}, {"OMP_NUM_THREADS": ""}, {"OMP_NUM_THREADS": "0"}])
def test_each_usable_core_has_a_thread_otherwise(variable: dict[str, str]) -> None:
    assert host.thread_count(variable) == len(host.usable_cores()) >= 1


def test_the_processor_has_the_name_of_its_model(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Example 9000 8-Core\nprocessor\t: 1\n")
    assert host.processor_name(cpuinfo) == "Example 9000 8-Core"


def test_a_processor_without_a_model_has_a_name_all_the_same(tmp_path: Path) -> None:
    assert host.processor_name(tmp_path / "missing")


def test_caches_of_the_last_level_are_added_up_and_shared_ones_counted_once(tmp_path: Path) -> None:
    for core in host.usable_cores():
        cache = tmp_path / f"cpu{core}" / "cache"
        write(cache / "index2", level="2", shared_cpu_list=str(core), size="1024K")
        write(cache / "index3", level="3", shared_cpu_list="0-63", size="32768K")
    assert host.last_level_cache(tmp_path) == 32 * MIB
    own = tmp_path / f"cpu{host.usable_cores()[0]}" / "cache" / "index3"
    write(own, shared_cpu_list="64-127")
    others = 32 * MIB if len(host.usable_cores()) > 1 else 0
    assert host.last_level_cache(tmp_path) == 32 * MIB + others


def test_a_system_without_clear_refs_has_no_peak_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no peak of the resident memory"):
        host.peak_resident(lambda: None, tmp_path / "missing")


def test_the_peak_grows_by_what_the_call_takes_though_the_allocator_kept_some() -> None:
    def blocks() -> list[bytearray]:
        return [bytearray(b"x") * 100_000 for _ in range(320)]  # small enough to come from the heap

    held = blocks()
    last = held[-1]  # keeps the heap from shrinking
    del held
    assert host.peak_resident(blocks) == pytest.approx(32_000_000, rel=0.1)
    del last


def test_memory_is_what_the_control_group_leaves_files_pages_not_counted(tmp_path: Path) -> None:
    write(tmp_path, cgroup="0::/job/step")
    usage = {"memory__current": str(80 * MIB), "memory__stat": f"anon 1\ninactive_file {30 * MIB}"}
    write(tmp_path / "job", memory__max=str(100 * MIB), **usage)
    write(tmp_path / "job" / "step", memory__max="max", **usage)
    assert host.available_memory(tmp_path / "cgroup", tmp_path) == 50 * MIB


def test_memory_of_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    write(tmp_path, cgroup="5:cpu,cpuacct:/\n4:memory:/job\n0::/")
    write(
        tmp_path / "memory" / "job",
        memory__limit_in_bytes=str(100 * MIB),
        memory__usage_in_bytes=str(70 * MIB),
        memory__stat="total_inactive_file 0",
    )
    assert host.available_memory(tmp_path / "cgroup", tmp_path) == 30 * MIB


def test_memory_without_a_limit_is_the_machines(tmp_path: Path) -> None:
    available = host.available_memory(tmp_path / "missing", tmp_path)
    assert 0 < available <= psutil.virtual_memory().total < sys.maxsize
