"""AMD's devices."""

from __future__ import annotations

from typing import Any

from dsbench.backends.amd_smi import AmdSmi
from dsbench.backends.events import EventBackend
from dsbench.backends.torch_backend import MIB

INFINITY_CACHE = {"gfx942": 256 * MIB, "gfx950": 256 * MIB}
"""The last level of cache by architecture; torch knows of the L2 in front of it only. An architecture
that is not listed has no number rather than a wrong one.

Source: AMD's table of GPU specifications in the documentation of ROCm, column "L3 Cache"."""


class RocmBackend(EventBackend):
    """A device of a torch that is built for ROCm, which torch calls ``cuda`` all the same."""

    name = "rocm"
    platform = "ROCm"
    visible = "HIP_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES"
    library = "amdsmi"
    missing_library = "amdsmi is not installed (it comes with ROCm, in share/amd_smi)"
    sensors = AmdSmi
    triton = ("triton", "pytorch-triton-rocm", "triton-rocm")

    @staticmethod
    def built_for(torch: Any) -> str | None:
        return torch.version.hip or None

    @staticmethod
    def ask_driver(vendor: Any) -> str:
        vendor.amdsmi_init()
        try:
            # One kernel module drives all of them, so that any device knows.
            device = vendor.amdsmi_get_processor_handles()[0]
            return str(vendor.amdsmi_get_gpu_driver_info(device)["driver_version"])
        finally:
            vendor.amdsmi_shut_down()

    @property
    def architecture(self) -> str:
        """The instruction set without its switches, such as ``gfx942``."""
        return str(self.properties.gcnArchName).partition(":")[0]

    @property
    def device_name(self) -> str:
        """The device's name and architecture."""
        return f"{self.properties.name} ({self.architecture})"

    @property
    def cache(self) -> int | None:
        return INFINITY_CACHE.get(self.architecture)

    @property
    def versions(self) -> dict[str, str]:
        return {"hip": str(self.torch.version.hip), "miopen": str(self.torch.backends.cudnn.version())}

    @property
    def flush_bytes(self) -> int:
        """512 MiB: twice the Infinity Cache of an Instinct MI300 or MI350, the largest there is."""
        return 512 * MIB
