"""NVIDIA's devices."""

from __future__ import annotations

from typing import Any

from dsbench.backends.events import EventBackend
from dsbench.backends.nvml import Nvml
from dsbench.backends.torch_backend import MIB


class CudaBackend(EventBackend):
    """A device of a torch that is built for CUDA; NVML is only read."""

    name = "cuda"
    platform = "CUDA"
    visible = "CUDA_VISIBLE_DEVICES"
    library = "pynvml"
    missing_library = "nvidia-ml-py is not installed (pip install 'dsbench[cuda]')"
    sensors = Nvml
    triton = ("triton", "pytorch-triton")

    @staticmethod
    def built_for(torch: Any) -> str | None:
        return None if torch.version.hip else torch.version.cuda

    @staticmethod
    def ask_driver(vendor: Any) -> str:
        vendor.nvmlInit()
        try:
            return str(vendor.nvmlSystemGetDriverVersion())
        finally:
            vendor.nvmlShutdown()

    @property
    def cache(self) -> int | None:
        """The L2, which is the last level."""
        return self.properties.L2_cache_size or None

    @property
    def versions(self) -> dict[str, str]:
        return {"cuda": str(self.torch.version.cuda), "cudnn": str(self.torch.backends.cudnn.version())}

    @property
    def flush_bytes(self) -> int:
        """Twice the L2, and at least 256 MiB: reading that much keeps the device busy for some tens of
        microseconds, in which the host launches the call, so that a cold reading holds no wait for the
        host. The floor also serves devices that do not say how large their L2 is."""
        return max(2 * (self.cache or 0), 256 * MIB)
