"""Apple's graphics processors, through Metal Performance Shaders."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any

from dsbench.backends.activity import Activity, of_metal
from dsbench.backends.base import Availability, UnsupportedError
from dsbench.backends.host_clock import HostClockBackend
from dsbench.backends.torch_backend import MIB, find_devices
from dsbench.records import Device


class MpsBackend(HostClockBackend):
    """The one Metal device of a Mac.

    It is timed by the host's clock around ``torch.mps.synchronize()``, because its events hang or
    report reversed times (pytorch #162872).
    """

    name = "mps"

    @classmethod
    def availability(cls, torch: Any = None) -> Availability:
        return find_devices(cls.name, torch, cls._find)

    @staticmethod
    def _find(torch: Any) -> list[str]:
        mps = torch.backends.mps
        if not mps.is_built():
            raise UnsupportedError(
                f"torch {torch.__version__} is built without MPS, which needs macOS on arm64"
            )
        if not mps.is_available():
            raise UnsupportedError(
                f"torch {torch.__version__} is built with MPS but finds no Metal device "
                f"(macOS {platform.mac_ver()[0] or 'unknown'}; a virtual machine has none)"
            )
        return [mps.get_name()]

    @property
    def device(self) -> str:
        return "mps"

    def describe(self) -> Device:
        return Device(
            self.name,
            self.torch.backends.mps.get_name(),
            driver=platform.mac_ver()[0],  # Metal comes with the operating system
            memory=self.torch.mps.recommended_max_memory(),
            versions={"torch": str(self.torch.__version__)},
        )

    def _seed(self, seed: int) -> None:
        super()._seed(seed)
        self.torch.mps.manual_seed(seed)

    def synchronize(self) -> None:
        self.torch.mps.synchronize()

    def launch(self, call: Callable[[], Any], samples: int) -> list[float]:
        return self._launches(call, samples)

    @property
    def flush_bytes(self) -> int:
        """256 MiB: Metal does not say how large the system-level cache is; the largest are 96 MiB."""
        return 256 * MIB

    def identity(self) -> dict[str, Any]:
        return {}

    @classmethod
    def activity(cls, pid: int, identity: Mapping[str, Any]) -> tuple[Activity | None, str]:
        del pid, identity  # there is one device, and its counter does not tell processes apart
        return of_metal(), ""

    def energy(self) -> float:
        raise UnsupportedError("macOS shows the device's energy to root only (powermetrics), and no counter")

    def peak_memory(self, call: Callable[[], Any]) -> int:
        del call
        raise UnsupportedError("torch.mps says what is allocated now, but keeps no peak of it")

    def held(self) -> dict[str, float]:
        return {**super().held(), "device": float(self.torch.mps.current_allocated_memory())}

    def footprint(self) -> dict[str, float]:
        return {**super().footprint(), "reserved": float(self.torch.mps.driver_allocated_memory())}

    def free_memory(self) -> int:
        mps = self.torch.mps
        return max(0, int(mps.recommended_max_memory() - mps.driver_allocated_memory()))

    def release(self) -> None:
        super().release()
        self.torch.mps.empty_cache()

    def _doubles(self, actual: Any, expected: Any) -> tuple[Any, Any]:
        # Metal has no double precision.
        left, right = (self._tensor(side).cpu() for side in (actual, expected))
        return super()._doubles(left, right)
