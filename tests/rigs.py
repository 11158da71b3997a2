"""Backends to test, each with what a test needs of its device: real ones, and fakes of the others."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pynvml
import torch
from fake_torch import FakeTorch, MetalTensor, bound

from dsbench.backends import BACKENDS, fake
from dsbench.backends.cuda import CudaBackend
from dsbench.backends.fake import FakeBackend
from dsbench.backends.mps import MpsBackend
from dsbench.backends.rocm import RocmBackend

MIB = 2**20


@dataclass
class Rig:
    """A backend with what a test needs of its device.

    `work` keeps the device busy for so many seconds, `take` takes bytes of its memory for as long as
    the result lives, `array` makes single-precision numbers, `exact` says that its clock is virtual.
    """

    backend: Any
    work: Callable[[float], None]
    take: Callable[[int], Any]
    array: Callable[[Any], Any]
    exact: bool = True


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def real(name: str) -> Rig:
    backend = BACKENDS[name]()
    return Rig(
        backend,
        spin,
        lambda size: torch.ones(size // 4, device=backend.device),
        lambda values: torch.tensor(values, dtype=torch.float32, device=backend.device),
        exact=False,
    )


def faked(family: type[Any], fake_torch: FakeTorch, **options: Any) -> Rig:
    backend = family(torch=fake_torch, **options)
    return Rig(
        backend,
        fake_torch.virtual.work,
        lambda size: fake_torch.ones(size // 4, dtype=torch.float32, device=backend.device),
        lambda values: torch.tensor(values, dtype=torch.float32),
    )


def nvml(driver: str = "580.1", error: Exception | None = None, **answers: Any) -> SimpleNamespace:
    """NVML on a quiet device, but for `answers` by the functions' names after ``nvmlDeviceGet``; an
    exception is raised."""
    device = {
        "HandleByUUID": "handle",
        "MaxClockInfo": 1980,
        "ClockInfo": 1965,
        "CurrentClocksEventReasons": pynvml.nvmlClocksEventReasonApplicationsClocksSetting,
        "CurrentClocksThrottleReasons": 0,
        "TemperatureV": 41,
        "Temperature": 40,
        "TemperatureThreshold": 87,
        "PersistenceMode": 1,
        "UtilizationRates": SimpleNamespace(gpu=90, memory=30),
        "PowerUsage": 350_500,
        "TotalEnergyConsumption": count(5_000_000, 1000),
        "ComputeRunningProcesses": [SimpleNamespace(pid=os.getpid())],
        **answers,
    }
    return bound(
        pynvml,
        nvmlInit=error,
        nvmlShutdown=None,
        nvmlSystemGetDriverVersion=lambda: driver,
        **{f"nvmlDeviceGet{name}": _effect(answer) for name, answer in device.items()},
    )


def _effect(answer: Any) -> Any:
    """An answer as what a mock does when it is called."""
    if isinstance(answer, (Exception, Iterator)) or callable(answer):
        return answer
    return lambda *_: answer


class Amdsmi:
    """The functions of AMD's library that are used, with the signatures and the keys of version 7.0.2."""

    AmdSmiClkType = IntEnum("AmdSmiClkType", {"GFX": 0})

    def __init__(self, **metrics: Any) -> None:
        self.metrics = metrics
        self.pids = [os.getpid()]
        self._steps = count(10**6, 10**6)

    def amdsmi_get_processor_handle_from_bdf(self, bdf: str) -> str:
        assert bdf == "0000:c1:00.0"
        return "handle"

    def amdsmi_get_clock_info(self, processor_handle: str, clock_type: IntEnum) -> dict[str, Any]:
        assert isinstance(clock_type, self.AmdSmiClkType)
        return {"clk": 132, "min_clk": 132, "max_clk": 2100, "clk_locked": "N/A", "clk_deep_sleep": 0}

    def amdsmi_get_gpu_metrics_info(self, processor_handle: str) -> dict[str, Any]:
        return {
            "temperature_edge": "N/A",
            "temperature_hotspot": 52,
            "average_socket_power": "N/A",
            "current_socket_power": 640,
            "current_gfxclk": 2101,
            "current_gfxclks": [2100, 2095, "N/A", "N/A"],
            "indep_throttle_status": False,
            "ppt_residency_acc": 7,
            **self.metrics,
        }

    def amdsmi_get_gpu_activity(self, processor_handle: str) -> dict[str, Any]:
        return {"gfx_activity": 80, "umc_activity": 40, "mm_activity": "N/A"}

    def amdsmi_get_energy_count(self, processor_handle: str) -> dict[str, Any]:
        return {"energy_accumulator": next(self._steps), "counter_resolution": 15.25, "timestamp": 1}

    def amdsmi_get_gpu_process_list(self, processor_handle: str) -> list[dict[str, Any]]:
        return [{"name": "N/A", "pid": pid, "mem": 4096} for pid in self.pids]

    def amdsmi_init(self) -> None: ...

    def amdsmi_shut_down(self) -> None: ...

    def amdsmi_get_processor_handles(self) -> list[str]:
        return ["handle"]

    def amdsmi_get_gpu_driver_info(self, processor_handle: str) -> dict[str, str]:
        assert processor_handle == "handle"
        return {"driver_name": "amdgpu", "driver_version": "6.16.6", "driver_date": "2025/01/01"}


H1 = ("Example H1", "Example H1")


def cuda(**options: Any) -> Rig:
    return faked(CudaBackend, FakeTorch(cuda="13.0", names=H1), vendor=nvml(), **options)


def rocm() -> Rig:
    names = ("AMD Instinct MI300X",)
    torch_for_hip = FakeTorch(hip="7.0.5", names=names, architecture="gfx942:sramecc+:xnack-", cache=4 * MIB)
    return faked(RocmBackend, torch_for_hip, vendor=Amdsmi())


def mps() -> Rig:
    torch_for_mps = FakeTorch(mps=True, names=("Apple M9",))
    rig = faked(MpsBackend, torch_for_mps, clock=torch_for_mps.virtual.clock)
    return replace(rig, array=lambda values: rig.array(values).as_subclass(MetalTensor))


class Held:
    """Bytes of the fake device's memory, given back with the object."""

    def __init__(self, size: int) -> None:
        fake.hold(size)
        weakref.finalize(self, fake.free, size)


def simulated() -> Rig:
    return Rig(FakeBackend(), fake.spend, Held, lambda values: np.array(values, dtype=np.float32))
