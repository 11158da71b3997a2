"""What CUDA and ROCm share, on a torch that has devices this machine lacks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pynvml
import pytest
from fake_torch import FakeTorch
from rigs import H1, MIB, Amdsmi, cuda, nvml, rocm

from dsbench.backends import UnsupportedError
from dsbench.backends.cuda import CudaBackend
from dsbench.backends.mps import MpsBackend
from dsbench.backends.rocm import RocmBackend


class TestTiming:
    def test_one_wait_ends_a_timing(self) -> None:
        rig = cuda()
        rig.backend.time(lambda: rig.work(1e-3), samples=5, calls=3, cold=False)
        assert rig.backend.torch.virtual.waits == 1

    def test_events_exist_before_the_first_reading_and_enclose_the_calls_alone(self) -> None:
        rig = cuda()
        rig.backend.time(lambda: rig.work(1e-3), samples=2, cold=True)
        flush = f"read {256 * MIB}"
        reading = [flush, "record", "work", "record"]
        assert rig.backend.torch.virtual.log == ["create"] * 4 + ["record"] * 4 + reading * 2

    def test_the_device_is_kept_busy_before_each_reading_while_the_host_launches_ahead(self) -> None:
        rig = cuda()
        readings = rig.backend.time(lambda: rig.work(1e-5), samples=2, calls=3, lead=1e-4)
        assert readings == pytest.approx([1e-5, 1e-5])
        reading = ["sleep", "record", "work", "work", "work", "record"]
        assert rig.backend.torch.virtual.log[8:] == reading * 2

    def test_a_launch_is_timed_with_an_idle_device_and_is_not_waited_for(self) -> None:
        rig = cuda()
        virtual, waits = rig.backend.torch.virtual, []
        readings = rig.backend.launch(lambda: (waits.append(virtual.waits), rig.work(10.0)), 3)
        assert waits == [1, 2, 3]
        assert all(0 < reading < 5.0 for reading in readings)

    def test_a_graph_replays_the_calls_that_were_captured(self) -> None:
        rig = cuda()
        replay = rig.backend.graph(lambda: rig.work(1e-3), calls=4)
        assert rig.backend.time(replay, 2) == pytest.approx([4e-3, 4e-3])

    def test_a_call_that_waits_for_the_device_cannot_be_captured_and_says_why(self) -> None:
        rig = cuda()
        with pytest.raises(UnsupportedError, match=r"operation not permitted when stream is capturing$"):
            rig.backend.graph(rig.backend.synchronize)

    def test_prepare_makes_the_device_of_the_index_current(self) -> None:
        rig = cuda(index=1)
        rig.backend.prepare(seed=1)
        assert rig.backend.device == "cuda:1"
        assert rig.backend.torch.virtual.current == 1
        assert rig.backend.describe().index == 1
        rig.backend.synchronize()
        rig.backend.torch.cuda.synchronize.assert_called_once_with(1)

    @pytest.mark.parametrize(
        ("cache", "flush"), [(50 * MIB, 256 * MIB), (192 * MIB, 384 * MIB), (0, 256 * MIB)]
    )
    def test_cuda_flushes_twice_the_l2_and_at_least_256_mib(self, cache: int, flush: int) -> None:
        backend = CudaBackend(torch=FakeTorch(cuda="13.0", names=H1, cache=cache), vendor=nvml())
        assert backend.flush_bytes == flush
        assert backend.describe().cache == (cache or None)

    def test_rocm_flushes_twice_the_infinity_cache_that_torch_does_not_know(self) -> None:
        device = rocm().backend
        assert device.flush_bytes == 512 * MIB
        assert device.describe().cache == 256 * MIB

    def test_rocm_has_no_cache_size_for_an_architecture_it_does_not_know(self) -> None:
        unknown = FakeTorch(hip="7.0.5", names=("AMD Example",), architecture="gfx0000")
        assert RocmBackend(torch=unknown, vendor=Amdsmi()).describe().cache is None

    def test_descriptions_hold_driver_and_versions(self) -> None:
        device = cuda().backend.describe()
        assert (device.name, device.driver) == ("Example H1", "580.1")
        assert device.versions["cuda"] == "13.0"
        assert device.versions["cudnn"] == "91002"
        device = rocm().backend.describe()
        assert (device.name, device.driver) == ("AMD Instinct MI300X (gfx942)", "6.16.6")
        assert device.versions["hip"] == "7.0.5"

    def test_nvml_is_shut_down_again(self) -> None:
        library = nvml()
        CudaBackend(torch=FakeTorch(cuda="13.0", names=H1), vendor=library).describe()
        library.nvmlShutdown.assert_called_once_with()

    def test_an_unknown_driver_is_recorded_with_its_cause(self) -> None:
        class WithoutLibrary(CudaBackend):
            library = "no_such_library_is_installed"

        device = WithoutLibrary(torch=FakeTorch(cuda="13.0", names=H1)).describe()
        assert device.driver == ""
        assert "pip install 'dsbench[cuda]'" in device.versions["driver"]

        amdsmi = create_autospec(Amdsmi, instance=True)
        amdsmi.amdsmi_init.side_effect = KeyError("libamd_smi.so")
        amd = FakeTorch(hip="7.0.5", names=("AMD Example",), architecture="gfx1100")
        assert "libamd_smi.so" in RocmBackend(torch=amd, vendor=amdsmi).describe().versions["driver"]


class TestMemory:
    def test_free_counts_what_the_allocator_holds_without_using_it(self) -> None:
        rig = cuda()
        before = rig.backend.free_memory()
        rig.take(64 * MIB)
        assert rig.backend.torch.virtual.reserved == 64 * MIB
        assert rig.backend.free_memory() == before

    def test_release_gives_unused_memory_back_to_the_driver(self) -> None:
        rig = cuda()
        rig.take(64 * MIB)
        rig.backend.release()
        assert rig.backend.torch.virtual.reserved == 0


class TestAvailability:
    def test_devices_are_listed_in_the_order_of_their_index(self) -> None:
        two = FakeTorch(cuda="13.0", names=("Example H1", "Example H2"))
        assert CudaBackend.availability(torch=two).devices == ("Example H1", "Example H2")

    def test_cuda_and_rocm_tell_each_others_torch_apart(self) -> None:
        for_hip, for_cuda = FakeTorch(hip="7.0.5", names=H1), FakeTorch(cuda="13.0", names=H1)
        assert "built without CUDA" in CudaBackend.availability(torch=for_hip).reason
        assert "built without ROCm" in RocmBackend.availability(torch=for_cuda).reason
        assert CudaBackend.availability(torch=for_cuda).usable
        assert RocmBackend.availability(torch=for_hip).usable

    def test_a_torch_for_the_cpu_is_told_from_a_missing_device(self) -> None:
        reason = CudaBackend.availability(torch=FakeTorch()).reason
        assert reason == (
            "torch 2.13.0+fake is built without CUDA (torch.version.cuda is None, torch.version.hip is None)"
        )
        error = pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
        reason = CudaBackend.availability(torch=FakeTorch(cuda="13.0"), vendor=nvml(error=error)).reason
        assert reason == (
            "torch 2.13.0+fake is built for CUDA 13.0 but sees no device: "
            "pynvml says: NVML Shared Library Not Found"
        )

    def test_a_driver_without_devices_points_at_the_variable_that_hides_them(self) -> None:
        reason = CudaBackend.availability(torch=FakeTorch(cuda="13.0"), vendor=nvml()).reason
        assert reason.endswith("there is a driver 580.1, so look at CUDA_VISIBLE_DEVICES")

    def test_what_torch_warns_of_is_part_of_the_reason(self) -> None:
        old = FakeTorch(cuda="13.0", complaint="the driver is too old")
        assert "the driver is too old; " in CudaBackend.availability(torch=old, vendor=nvml()).reason

    def test_mps_tells_not_built_from_not_there(self) -> None:
        assert "built without MPS" in MpsBackend.availability(torch=FakeTorch()).reason
        assert "finds no Metal device" in MpsBackend.availability(torch=FakeTorch(mps=True)).reason
        assert MpsBackend.availability(torch=FakeTorch(mps=True, names=("Apple M9",))).devices == (
            "Apple M9",
        )

    @pytest.mark.parametrize("family", [CudaBackend, RocmBackend, MpsBackend])
    def test_a_torch_that_fails_to_look_is_a_reason(self, family: Any) -> None:
        broken = SimpleNamespace(__version__="2.13.0")
        assert family.availability(torch=broken).reason.startswith("torch 2.13.0 failed to look: ")
