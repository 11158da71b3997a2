"""What NVML says of one device while it is measured; it is only read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dsbench.backends.condition import Condition
from dsbench.backends.gpm import Gpm
from dsbench.backends.sensors import Sensors, known

SM, CORE = 1, 0
"""``NVML_CLOCK_SM``, and ``NVML_TEMPERATURE_GPU``."""

SLOWDOWN = 1
"""``NVML_TEMPERATURE_THRESHOLD_SLOWDOWN``."""

HEADROOM = 10
"""Degrees below the limit at which a long run will reach it."""

REASONS = {
    0x04: "sw_power_cap",
    0x08: "hw_slowdown",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake",
}
"""Why the clock is held down, by ``nvmlClocksEventReason``'s bits. Being idle, clocks that a person has
set and devices that are kept at the clock of the slowest are among the bits but no disturbance: all are
as they were asked for."""


class Nvml(Sensors):
    """A device found by its UUID, or a MIG slice of one by its own."""

    IDENTITY = ("uuid",)

    def __init__(self, vendor: Any, properties: Any) -> None:
        super().__init__(vendor, properties)
        self._nvml = vendor
        vendor.nvmlInit()
        try:
            self._device = vendor.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
        except Exception:
            self._device = vendor.nvmlDeviceGetHandleByUUID(f"MIG-{properties.uuid}")
        self._gpm: Gpm | None = None
        self._no_gpm = False
        # Asked once, because it takes a millisecond. The clock that applications ask for is no limit:
        # devices run faster than its default, and the function that tells it will be gone in CUDA 14.
        self._limit = known(vendor.nvmlDeviceGetMaxClockInfo, self._device, SM)

    def look(self, host: Condition) -> Condition:
        nvml, device = self._nvml, self._device
        power = known(nvml.nvmlDeviceGetPowerUsage, device)
        reasons = self._either("CurrentClocksEventReasons", "CurrentClocksThrottleReasons") or 0
        return replace(
            host,
            clock=known(nvml.nvmlDeviceGetClockInfo, device, SM),
            clock_limit=self._limit,
            throttle=tuple(word for bit, word in REASONS.items() if reasons & bit),
            temperature=self._either("TemperatureV", "Temperature", CORE),
            power=None if power is None else power / 1e3,
            foreign=self.foreign(),
        )

    def activity(self) -> dict[str, float]:
        """``device_busy`` only means that a kernel ran, however small; the units' shares come with GPM."""
        if self._gpm is None and not self._no_gpm:
            self._gpm = known(Gpm, self._nvml, self._device)
            self._no_gpm = self._gpm is None
        rates = known(self._nvml.nvmlDeviceGetUtilizationRates, self._device)
        units = known(self._gpm.since_last) if self._gpm else None
        return {**({} if rates is None else {"device_busy": rates.gpu / 100}), **(units or {})}

    def advice(self) -> tuple[str, ...]:
        nvml, found = self._nvml, []
        if known(nvml.nvmlDeviceGetPersistenceMode, self._device) == 0:
            found.append(
                "persistence mode is off, so the driver unloads itself between processes and starts anew "
                "with each: sudo nvidia-smi -pm 1"
            )
        limit = known(nvml.nvmlDeviceGetTemperatureThreshold, self._device, SLOWDOWN)
        now = self._either("TemperatureV", "Temperature", CORE)
        if now is not None and limit is not None and now > limit - HEADROOM:
            found.append(
                f"the device is at {now:.0f} °C and slows down at {limit:.0f} °C: "
                "let it cool, or cool it better"
            )
        return tuple(found)

    def _either(self, new: str, old: str, *arguments: Any) -> Any:
        """The answer by the present name of a function, or by the one that older drivers have."""
        answer = known(getattr(self._nvml, f"nvmlDeviceGet{new}"), self._device, *arguments)
        if answer is None:
            answer = known(getattr(self._nvml, f"nvmlDeviceGet{old}"), self._device, *arguments)
        return answer

    def joules(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._device)) / 1e3

    def processes(self) -> list[int]:
        return [process.pid for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._device)]
