"""What a process holds, by everyone who counts it, on every family of devices."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
import rigs
import torch
from rigs import MIB, Rig

from dsbench.backends import held
from dsbench.probes import Budget
from dsbench.probes.leak import Watched, tracing, watch
from dsbench.stats.growth import Growth, Word
from dsbench.stats.intervals import Estimate

DEVICES = {
    "cpu": (lambda: rigs.real("cpu"), "heap", "resident"),
    "cuda": (rigs.cuda, "device", "reserved"),
    "rocm": (rigs.rocm, "device", "reserved"),
    "mps": (rigs.mps, "device", "reserved"),
    "fake": (rigs.simulated, "device", ""),
}


@pytest.mark.parametrize("name", DEVICES)
def test_what_is_taken_is_held_until_it_is_given_back(name: str) -> None:
    make, exact, coarse = DEVICES[name]
    backend = (rig := make()).backend
    rig.take(8 * MIB)  # what the first one alone sets up is not counted
    gc.collect()
    before = backend.held()[exact]
    taken = rig.take(8 * MIB)
    assert backend.held()[exact] - before == pytest.approx(8 * MIB, abs=16_384)
    if coarse:
        assert backend.footprint()[coarse] >= 8 * MIB
    del taken
    gc.collect()
    assert backend.held()[exact] - before == pytest.approx(0, abs=16_384)


@pytest.mark.parametrize("make", [rigs.cuda, rigs.rocm, rigs.mps])
def test_tensors_that_are_kept_on_a_device_are_a_leak_of_that_device(make: Callable[[], Rig]) -> None:
    rig, kept = make(), list[object]()
    with tracing():
        found = watch(rig.backend, lambda: kept.append(rig.take(1024)), Budget(max_time=0.01), 256)
    assert found.growth["device"].word is Word.LEAK
    assert found.growth["device"].slope.value == 1024


def test_memory_that_is_set_aside_and_never_fits_again_is_a_leak_though_no_tensor_is_kept() -> None:
    rig = rigs.cuda()
    device = rig.backend.torch.virtual

    def fragments() -> None:
        device.reserved += 4096

    with tracing():
        found = watch(rig.backend, fragments, Budget(max_time=0.01), 256)
    assert found.growth["device"].word is Word.CLEAN
    assert found.growth["reserved"].word is Word.LEAK


@pytest.mark.parametrize(
    ("heap", "reserved", "slope"),
    [
        (Word.CLEAN, Word.LEAK, 4096.0),  # fragmentation alone
        (Word.LEAK, Word.LEAK, 900.0),  # what is kept explains what is set aside
        (Word.CLEAN, Word.UNKNOWN, 900.0),
    ],
)
def test_a_coarse_counter_gives_the_slope_where_it_alone_leaks(
    heap: Word, reserved: Word, slope: float
) -> None:
    growth = {
        "heap": Growth(heap, Estimate(900.0, 900.0, 900.0)),
        "reserved": Growth(reserved, Estimate(4096.0, 4096.0, 4096.0)),
        "files": Growth(Word.LEAK, Estimate(1e6, 1e6, 1e6)),
    }
    assert Watched(growth, steps=8, blocks=64).slope.value == slope


@pytest.mark.parametrize(
    ("make", "ways"),
    [
        (rigs.cuda, ["blocks of the device", "tensors", "objects of Python", "native memory"]),
        (rigs.mps, ["tensors", "objects of Python", "native memory"]),
        (rigs.simulated, []),
    ],
)
def test_each_family_has_its_ways_of_naming_a_line(make: Callable[[], Rig], ways: list[str]) -> None:
    looks = make().backend.allocations()
    assert list(looks) == ways
    assert all(isinstance(look(lambda: None, 4), dict) for look in looks.values())


def test_the_heap_is_counted_to_the_byte_but_for_the_allocators_own() -> None:
    before = held.exact()["heap"]
    taken = torch.empty(25_000, dtype=torch.uint8)
    assert 25_000 <= held.exact()["heap"] - before < 27_000
    del taken


def test_objects_of_python_are_counted_while_they_are_traced_without_the_tables_of_that() -> None:
    assert "python" not in held.exact()
    kept: list[object] = [None] * 10_000
    tracemalloc.start()
    try:
        before = held.exact()
        for index in range(10_000):
            kept[index] = object()
        after = held.exact()
    finally:
        tracemalloc.stop()
    assert (after["python"] - before["python"]) / 10_000 == pytest.approx(16, abs=1)
    assert abs(after["heap"] - before["heap"]) / 10_000 < 20  # the tables of tracemalloc take 100 and more


def test_open_files_are_counted() -> None:
    before = held.footprint()["files"]
    with open("/dev/null"):
        assert held.footprint()["files"] == before + 1
