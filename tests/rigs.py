"""Backends to test, each with what a test needs of its device: real ones, and fakes of the others."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import numpy as np
import pynvml
import torch
from fake_torch import FakeTorch, MetalTensor

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


def nvml(driver: str = "580.1", error: Exception | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        nvmlInit=create_autospec(pynvml.nvmlInit, side_effect=error),
        nvmlShutdown=create_autospec(pynvml.nvmlShutdown),
        nvmlSystemGetDriverVersion=create_autospec(pynvml.nvmlSystemGetDriverVersion, return_value=driver),
    )


class Amdsmi:
    """The four functions of AMD's library that are used, as its documentation describes them."""

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
