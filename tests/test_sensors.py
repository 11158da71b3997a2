"""What the vendors' libraries say of a device while it is measured."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from fake_torch import FakeTorch
from rigs import H1, Amdsmi, nvml

from dsbench.backends import UnsupportedError
from dsbench.backends.cuda import CudaBackend
from dsbench.backends.rocm import RocmBackend
from dsbench.backends.sensors import HIDDEN, foreign

NOT_SUPPORTED = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def cuda(index: int = 0, **answers: Any) -> CudaBackend:
    return CudaBackend(index, torch=FakeTorch(cuda="13.0", names=H1), vendor=nvml(**answers))


def rocm(**metrics: Any) -> RocmBackend:
    names = ("AMD Instinct MI300X",)
    return RocmBackend(
        torch=FakeTorch(hip="7.0.5", names=names, architecture="gfx942"), vendor=Amdsmi(**metrics)
    )


class TestNvml:
    def test_a_look_holds_host_and_device(self) -> None:
        found = cuda().condition()
        assert (found.clock, found.clock_limit, found.temperature, found.power) == (1965, 1980, 41, 350.5)
        assert found.foreign == ()
        assert found.load is not None

    def test_the_device_is_found_by_its_uuid_and_the_library_stays_open(self) -> None:
        backend = cuda(index=1)
        library = backend._vendor
        backend.condition()
        backend.condition()
        backend.energy()
        library.nvmlInit.assert_called_once_with()
        library.nvmlShutdown.assert_not_called()
        library.nvmlDeviceGetHandleByUUID.assert_called_once_with("GPU-0000-1")

    def test_a_slice_of_a_device_is_found_by_its_own_uuid(self) -> None:
        def handle(uuid: str) -> str:
            if uuid.startswith("GPU-"):
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
            return uuid

        backend = cuda(HandleByUUID=handle)
        backend.condition()
        backend._vendor.nvmlDeviceGetClockInfo.assert_called_once_with("MIG-0000-0", pynvml.NVML_CLOCK_SM)

    @pytest.mark.parametrize(
        ("bits", "words"),
        [
            (pynvml.nvmlClocksEventReasonGpuIdle, ()),
            (pynvml.nvmlClocksEventReasonApplicationsClocksSetting, ()),
            (pynvml.nvmlClocksEventReasonDisplayClockSetting, ()),
            (pynvml.nvmlClocksEventReasonSwPowerCap, ("sw_power_cap",)),
            (pynvml.nvmlClocksEventReasonHwSlowdown, ("hw_slowdown",)),
            (pynvml.nvmlClocksEventReasonSyncBoost, ()),
            (pynvml.nvmlClocksEventReasonSwThermalSlowdown, ("sw_thermal_slowdown",)),
            (
                pynvml.nvmlClocksEventReasonHwThermalSlowdown
                | pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown,
                ("hw_thermal_slowdown", "hw_power_brake"),
            ),
        ],
    )
    def test_reasons_to_throttle_are_named_and_idling_is_none(
        self, bits: int, words: tuple[str, ...]
    ) -> None:
        assert cuda(CurrentClocksEventReasons=bits).condition().throttle == words

    def test_what_a_device_does_not_tell_is_unknown_and_no_error(self) -> None:
        questions = ["MaxClockInfo", "ClockInfo", "CurrentClocksEventReasons", "CurrentClocksThrottleReasons"]
        questions += ["TemperatureV", "Temperature", "PowerUsage", "ComputeRunningProcesses"]
        found = cuda(**dict.fromkeys(questions, NOT_SUPPORTED)).condition()
        assert (found.clock, found.clock_limit, found.temperature, found.power) == (None,) * 4
        assert found.throttle == found.foreign == ()

    def test_an_older_driver_is_asked_by_the_older_names(self) -> None:
        missing = pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        found = cuda(
            CurrentClocksEventReasons=missing, CurrentClocksThrottleReasons=4, TemperatureV=missing
        ).condition()
        assert (found.throttle, found.temperature) == (("sw_power_cap",), 40)

    def test_another_process_on_the_device_is_named(self) -> None:
        parent = os.getppid()
        others = [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=parent)]
        (found,) = cuda(ComputeRunningProcesses=others).condition().foreign
        assert found.startswith(f"process {parent} (")

    def test_processes_are_listed_once_a_second(self) -> None:
        backend = cuda()
        for _ in range(3):
            backend.condition()
        # Twice if a second went by between two of the three.
        assert backend._vendor.nvmlDeviceGetComputeRunningProcesses.call_count < 3

    def test_energy_is_in_joules(self) -> None:
        backend = cuda()
        assert (backend.energy(), backend.energy()) == (5000.0, 5001.0)

    def test_without_a_counter_energy_is_unsupported_with_the_reason(self) -> None:
        with pytest.raises(UnsupportedError, match=r"^no energy counter of the device: pynvml says: Not Sup"):
            cuda(TotalEnergyConsumption=NOT_SUPPORTED).energy()

    def test_without_the_library_the_host_is_still_looked_at(self) -> None:
        class WithoutLibrary(CudaBackend):
            library = "no_such_library_is_installed"

        backend = WithoutLibrary(torch=FakeTorch(cuda="13.0", names=H1))
        assert backend.condition().clock is None
        assert backend.condition().load is not None
        with pytest.raises(UnsupportedError, match="pip install 'dsbench"):
            backend.energy()


class TestAmdSmi:
    def test_a_look_holds_the_slowest_die_and_the_hottest_spot(self) -> None:
        found = rocm().condition()
        assert (found.clock, found.clock_limit, found.temperature, found.power) == (2095, 2100, 52, 640)

    def test_devices_of_one_die_tell_other_numbers(self) -> None:
        found = rocm(
            current_gfxclks=["N/A"],
            temperature_hotspot="N/A",
            temperature_edge=45,
            current_socket_power="N/A",
            average_socket_power=300,
        ).condition()
        assert (found.clock, found.temperature, found.power) == (2101, 45, 300)

    def test_a_counter_of_throttling_that_grows_is_named(self) -> None:
        backend = rocm()
        assert backend.condition().throttle == ()
        assert backend.condition().throttle == ()
        backend._vendor.metrics = {"ppt_residency_acc": 8, "socket_thm_residency_acc": 3}
        assert backend.condition().throttle == ("power_cap",)
        backend._vendor.metrics["socket_thm_residency_acc"] = 4
        assert backend.condition().throttle == ("thermal_slowdown",)

    def test_devices_without_counters_only_say_that_they_throttle(self) -> None:
        older = rocm(ppt_residency_acc="N/A", indep_throttle_status=True)
        assert older.condition().throttle == ("throttle_status",)

    def test_another_process_is_named(self) -> None:
        backend = rocm()
        backend._vendor.pids.append(2**30)
        assert backend.condition().foreign == (f"process {2**30}",)

    def test_energy_is_the_steps_of_the_counter_times_their_size(self) -> None:
        backend = rocm()
        assert (backend.energy(), backend.energy()) == (15.25, 30.5)


def test_where_numbers_are_hidden_one_of_the_processes_is_this_one() -> None:
    assert foreign([], own=7) == ()
    assert foreign([900], own=7) == ()
    assert foreign([900, 901, 902], own=7) == (HIDDEN, HIDDEN)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, ()),
        ({"PersistenceMode": 0}, ("sudo nvidia-smi -pm 1",)),
        ({"TemperatureV": 80}, ("at 80 °C and slows down at 87 °C",)),
        ({"TemperatureThreshold": RuntimeError("not supported"), "TemperatureV": 99}, ()),
        (
            {"ComputeRunningProcesses": [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=1)]},
            ("end it",),
        ),
    ],
)
def test_the_device_says_what_of_its_state_disturbs_and_what_to_do(
    answers: dict[str, Any], said: tuple[str, ...]
) -> None:
    advice = CudaBackend(torch=FakeTorch(cuda="13.0", names=H1), vendor=nvml(**answers)).advice()
    assert len(advice) == len(said)
    assert all(part in line for part, line in zip(said, advice, strict=True))
