"""One contract for every device family: the ones that are here, and fakes of those that are not."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from rigs import MIB, Rig, cuda, mps, real, rocm, simulated

from dsbench.backends import AUTOMATIC, BACKENDS, UnsupportedError, fake
from dsbench.backends.rapl import ZONES
from dsbench.records import Status

HERE = [name for name in AUTOMATIC if BACKENDS[name].availability().usable]
RIGS = [
    *(
        pytest.param(lambda name=name: real(name), id=name, marks=[] if name == "cpu" else [pytest.mark.gpu])
        for name in HERE
    ),
    *(pytest.param(make, id=f"{make.__name__}-faked") for make in (cuda, rocm, mps)),
    pytest.param(simulated, id="fake"),
]


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest) -> Rig:
    made: Rig = request.param()
    made.backend.prepare(seed=1)
    return made


@pytest.fixture(params=[param for param in RIGS if param.id not in HERE])
def exact_rig(request: pytest.FixtureRequest) -> Rig:
    made: Rig = request.param()
    made.backend.prepare(seed=1)
    return made


@pytest.fixture(params=[param for param in RIGS if "mps" not in str(param.id)])
def peak_rig(request: pytest.FixtureRequest) -> Rig:
    made: Rig = request.param()
    made.backend.prepare(seed=1)
    return made


def about(size: int, rig: Rig) -> Any:
    """The size to the byte where the allocator is virtual, and within a tenth elsewhere."""
    return pytest.approx(size, rel=0 if rig.exact else 0.1)


class TestTime:
    def test_gives_one_positive_number_a_sample(self, rig: Rig) -> None:
        readings = rig.backend.time(lambda: rig.work(1e-5), samples=4, calls=2)
        assert len(readings) == 4
        assert all(reading > 0 for reading in readings)

    @pytest.mark.parametrize(("calls", "cold"), [(1, False), (3, False), (1, True)])
    def test_calls_the_work_samples_times_calls_and_no_more(self, rig: Rig, calls: int, cold: bool) -> None:
        count = 0

        def call() -> None:
            nonlocal count
            count += 1
            rig.work(1e-6)

        rig.backend.time(call, samples=5, calls=calls, cold=cold)
        assert count == 5 * calls

    def test_of_known_work_is_no_shorter_than_the_work(self, rig: Rig) -> None:
        assert min(rig.backend.time(lambda: rig.work(2e-3), samples=2, calls=2)) >= 0.99 * 2e-3

    def test_of_known_work_is_exact_on_a_virtual_clock(self, exact_rig: Rig) -> None:
        exact_rig.work(1.0)  # what was queued before is no part of a reading
        lasting = iter([1e-3, 2e-3, 3e-3, 5e-3])
        readings = exact_rig.backend.time(lambda: exact_rig.work(next(lasting)), samples=2, calls=2)
        assert readings == pytest.approx([1.5e-3, 4e-3], rel=1e-12)

    def test_of_a_cold_call_leaves_the_flush_out(self, exact_rig: Rig) -> None:
        penalty = fake.COLD_PENALTY if exact_rig.backend.name == "fake" else 0
        readings = exact_rig.backend.time(lambda: exact_rig.work(1e-3), samples=3, cold=True)
        assert readings == pytest.approx([1e-3 + penalty] * 3, rel=1e-12)

    def test_of_several_cold_calls_is_unsupported(self, rig: Rig) -> None:
        with pytest.raises(UnsupportedError, match="one call, not 2"):
            rig.backend.time(lambda: rig.work(1e-6), samples=1, calls=2, cold=True)

    def test_asks_for_no_more_than_a_millisecond_a_reading(self, rig: Rig) -> None:
        assert 0 <= rig.backend.resolution <= 1e-3


class TestMemory:
    def test_peak_is_what_the_call_took_and_not_what_was_held_before(self, peak_rig: Rig) -> None:
        rig = peak_rig
        before = rig.take(32 * MIB)
        assert rig.backend.peak_memory(lambda: rig.take(64 * MIB)) == about(64 * MIB, rig)
        del before

    def test_peak_of_a_second_call_forgets_the_first(self, peak_rig: Rig) -> None:
        rig = peak_rig
        rig.backend.peak_memory(lambda: rig.take(64 * MIB))
        assert rig.backend.peak_memory(lambda: rig.take(16 * MIB)) == about(16 * MIB, rig)

    def test_peak_counts_what_was_given_back_before_the_end(self, peak_rig: Rig) -> None:
        rig = peak_rig

        def call() -> None:
            for size in (48 * MIB, 16 * MIB):
                rig.take(size)

        assert rig.backend.peak_memory(call) == about(48 * MIB, rig)

    def test_peak_is_unsupported_on_mps_with_the_reason(self) -> None:
        with pytest.raises(UnsupportedError, match="keeps no peak"):
            mps().backend.peak_memory(lambda: None)

    def test_free_shrinks_by_what_is_held_and_grows_again(self, exact_rig: Rig) -> None:
        backend = exact_rig.backend
        backend.release()
        before = backend.free_memory()
        assert before is not None
        held = exact_rig.take(64 * MIB)
        assert backend.free_memory() == before - 64 * MIB
        del held
        backend.release()
        assert backend.free_memory() == before

    def test_release_gives_back_what_a_flush_took(self, exact_rig: Rig) -> None:
        backend = exact_rig.backend
        before = backend.free_memory()
        backend.time(lambda: exact_rig.work(1e-6), samples=1, cold=True)
        backend.release()
        assert backend.free_memory() == before

    def test_free_is_less_than_the_device_has(self, rig: Rig) -> None:
        free, total = rig.backend.free_memory(), rig.backend.describe().memory
        assert free is not None
        assert total is not None
        assert 0 < free <= total


class TestValues:
    def test_error_of_the_same_numbers_is_zero(self, rig: Rig) -> None:
        assert rig.backend.relative_error(rig.array([3, 4]), rig.array([3, 4])) == 0

    def test_error_is_the_distance_over_the_norm(self, rig: Rig) -> None:
        found = rig.backend.relative_error(rig.array([3, 4.5]), rig.array([3, 4]))
        assert found == pytest.approx(0.1, rel=1e-12)

    def test_error_of_zeros_is_the_distance(self, rig: Rig) -> None:
        assert rig.backend.relative_error(rig.array([0, 0.25]), rig.array([0, 0])) == 0.25

    def test_error_takes_nested_answers_as_one_vector(self, rig: Rig) -> None:
        actual = (rig.array([3]), {"rest": [rig.array(4.5), None]})
        expected = (rig.array([3]), {"rest": [rig.array(4), None]})
        assert rig.backend.relative_error(actual, expected) == pytest.approx(0.1, rel=1e-12)

    @pytest.mark.parametrize(
        ("actual", "expected"),
        [(math.nan, 4), (math.inf, 4), (4, math.inf), (-math.inf, math.inf), (math.nan, math.nan)],
    )
    def test_error_is_infinite_where_a_number_is_not_finite(
        self, rig: Rig, actual: float, expected: float
    ) -> None:
        assert rig.backend.relative_error(rig.array([3, actual]), rig.array([3, expected])) == math.inf

    def test_error_passes_over_the_infinity_that_was_expected(self, rig: Rig) -> None:
        masked = rig.backend.relative_error(rig.array([4.5, -math.inf]), rig.array([4, -math.inf]))
        assert masked == pytest.approx(0.125, rel=1e-12)

    def test_error_of_plain_numbers_is_seen_in_double(self, rig: Rig) -> None:
        assert rig.backend.relative_error([1 + 1e-12], [1.0]) == pytest.approx(1e-12, rel=1e-3)

    def test_error_of_numbers_whose_squares_vanish_in_single_precision_is_seen(self, rig: Rig) -> None:
        found = rig.backend.relative_error(rig.array([2e-30]), rig.array([1e-30]))
        assert found == pytest.approx(1, rel=1e-6)

    def test_error_of_the_last_bit_of_single_precision_is_seen(self, rig: Rig) -> None:
        found = rig.backend.relative_error(rig.array([1 + 2**-23, 1e-30]), rig.array([1, 1e-30]))
        assert found == pytest.approx(2**-23, rel=1e-12)

    def test_error_of_other_shapes_or_places_raises(self, rig: Rig) -> None:
        with pytest.raises(ValueError, match=r"shape \(2,\), expected was \(1,\)"):
            rig.backend.relative_error(rig.array([1, 2]), rig.array([1]))
        with pytest.raises(ValueError, match=r"holds answer\[0\], expected were answer\[0\], answer\[1\]"):
            rig.backend.relative_error([rig.array([1])], [rig.array([1]), rig.array([1])])

    def test_error_without_a_number_raises(self, rig: Rig) -> None:
        with pytest.raises(ValueError, match="no number to compare"):
            rig.backend.relative_error(None, None)
        with pytest.raises(ValueError, match="is not the expected None"):
            rig.backend.relative_error([rig.array([1]), rig.array([1])], [rig.array([1]), None])

    @pytest.mark.parametrize(
        ("left", "right", "same"),
        [
            (1.0, 1.0, True),
            (1.0, 1.0 + 2**-23, False),
            (math.nan, math.nan, True),
            (0.0, -0.0, False),
        ],
    )
    def test_identical_compares_bits(self, rig: Rig, left: float, right: float, same: bool) -> None:
        assert rig.backend.identical(rig.array([0.5, left]), rig.array([0.5, right])) is same
        assert rig.backend.identical({"x": [left]}, {"x": [right]}) is same

    def test_identical_compares_places_shapes_and_types(self, rig: Rig) -> None:
        one = rig.array([1])
        assert not rig.backend.identical({"x": one}, {"x": one, "y": one})
        assert not rig.backend.identical(one, rig.array([[1]]))
        assert not rig.backend.identical([1], [1.0])
        assert not rig.backend.identical([one], [1.0])

    def test_copy_is_identical_and_shares_nothing(self, rig: Rig) -> None:
        inputs: dict[str, Any] = {"x": [rig.array([1, 2])], "scale": 0.5, "mode": "causal"}
        made = rig.backend.copy(inputs)
        assert rig.backend.identical(inputs, made)
        inputs["x"][0][0] = 7
        assert not rig.backend.identical(inputs, made)

    def test_the_same_seed_gives_the_same_numbers(self, rig: Rig) -> None:
        draws = []
        for seed in (5, 5, 6):
            rig.backend.prepare(seed)
            draws.append((float(np.random.rand()), float(torch.rand(()))))
        if rig.backend.name == "fake":  # needs no torch, so that it does not seed it
            draws = [(draw[0], 0.0) for draw in draws]
        assert draws[0] == draws[1] != draws[2]
        if device := getattr(getattr(rig.backend, "torch", None), "virtual", None):
            assert device.seeds[-3:] == [5, 5, 6]


class TestCondition:
    def test_time_passes_and_nothing_that_counts_up_goes_back(self, rig: Rig) -> None:
        before = rig.backend.condition()
        rig.work(1e-3)
        rig.backend.synchronize()
        after = rig.backend.condition()
        assert before.time <= after.time
        for name in ("waited", "switches", "stolen"):
            first, second = getattr(before, name), getattr(after, name)
            assert (first is None and second is None) or first <= second

    def test_a_call_keeps_at_least_one_core_busy(self, rig: Rig) -> None:
        assert rig.backend.cores >= 1

    def test_energy_never_falls_or_is_unsupported_with_the_reason(self, rig: Rig) -> None:
        backend = rig.backend
        if backend.name == "mps" or (backend.name == "cpu" and not any(ZONES.glob("intel-rapl:*"))):
            with pytest.raises(UnsupportedError, match="energy"):
                backend.energy()
            return
        with contextlib.suppress(UnsupportedError):  # only the superuser may read some processors' counters
            before = backend.energy()
            rig.work(1e-3)
            assert backend.energy() >= before


class TestDescription:
    def test_names_the_device_and_what_decides_its_speed(self, rig: Rig) -> None:
        device = rig.backend.describe()
        assert device.backend == rig.backend.name
        assert device.name
        assert all(device.versions.values())
        assert "fake" in device.versions or "torch" in device.versions

    @pytest.mark.parametrize("name", BACKENDS)
    def test_availability_names_devices_or_says_why_there_are_none(self, name: str) -> None:
        found = BACKENDS[name].availability()
        assert found.backend == name
        assert bool(found.devices) != bool(found.reason)

    def test_importing_the_backends_imports_no_torch(self) -> None:
        code = "import sys, dsbench.backends; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (MemoryError("fake device"), Status.OOM),
            (UnsupportedError("no such kernel here"), Status.UNSUPPORTED),
            (NotImplementedError("'aten::_int_mm' is not implemented for MPS"), Status.UNSUPPORTED),
            (ValueError("out of memory is not meant here"), Status.ERROR),
        ],
    )
    def test_exceptions_have_a_status(self, rig: Rig, error: Exception, status: Status) -> None:
        assert rig.backend.status_of(error) is status
