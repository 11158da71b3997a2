"""What NVML's GPU performance monitoring says of the units of a device: Hopper and later."""

from __future__ import annotations

from typing import Any

METRICS = {
    "sm_active": "NVML_GPM_METRIC_SM_UTIL",
    "sm_occupancy": "NVML_GPM_METRIC_SM_OCCUPANCY",
    "tensor_active": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
    "dram_active": "NVML_GPM_METRIC_DRAM_BW_UTIL",
}
"""Readings by the name of NVML's constant; each in per cent, averaged between two samples."""


class Gpm:
    """The counters of one device between two looks.

    Args:
        nvml: the library, which is open.
        device: the device's handle.

    Raises:
        Exception: the device has no such counters, or they may not be read; whatever NVML raises.
    """

    def __init__(self, nvml: Any, device: Any) -> None:
        if not nvml.nvmlGpmQueryDeviceSupport(device).isSupportedDevice:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        self._nvml, self._device = nvml, device
        self._earlier, self._later = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
        nvml.nvmlGpmSampleGet(device, self._earlier)

    def since_last(self) -> dict[str, float]:
        """Shares of one since the look before this one; what this device does not count is left out."""
        nvml = self._nvml
        nvml.nvmlGpmSampleGet(self._device, self._later)
        asked = nvml.c_nvmlGpmMetricsGet_t()
        asked.version = nvml.NVML_GPM_METRICS_GET_VERSION
        asked.numMetrics = len(METRICS)
        asked.sample1, asked.sample2 = self._earlier, self._later
        for index, constant in enumerate(METRICS.values()):
            asked.metrics[index].metricId = getattr(nvml, constant)
        found = nvml.nvmlGpmMetricsGet(asked)
        self._earlier, self._later = self._later, self._earlier
        return {
            name: found.metrics[index].value / 100
            for index, name in enumerate(METRICS)
            if found.metrics[index].nvmlReturn == nvml.NVML_SUCCESS
        }

    def close(self) -> None:
        """Gives the samples' memory back."""
        for sample in (self._earlier, self._later):
            self._nvml.nvmlGpmSampleFree(sample)
