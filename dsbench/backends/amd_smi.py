"""What AMD's library says of one device while it is measured; it is only read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dsbench.backends.condition import Condition
from dsbench.backends.sensors import Sensors, known

RESIDENCIES = {
    "ppt_residency_acc": "power_cap",
    "socket_thm_residency_acc": "thermal_slowdown",
    "vr_thm_residency_acc": "regulator_thermal_slowdown",
    "hbm_thm_residency_acc": "memory_thermal_slowdown",
    "prochot_residency_acc": "processor_hot",
}
"""Counters of how long the clock was held down, by cause, on devices from Instinct MI300 on.

Source: the changelog of AMD SMI, "Added support for GPU metrics 1.6"."""

UNNAMED = "throttle_status"
"""The reason on devices that only say that there is one."""


class AmdSmi(Sensors):
    """A device found by its place on the PCI bus."""

    IDENTITY = ("pci_domain_id", "pci_bus_id", "pci_device_id")

    def __init__(self, vendor: Any, properties: Any) -> None:
        super().__init__(vendor, properties)
        self._smi = vendor
        vendor.amdsmi_init()
        place = properties.pci_domain_id, properties.pci_bus_id, properties.pci_device_id
        self._device = vendor.amdsmi_get_processor_handle_from_bdf("{:04x}:{:02x}:{:02x}.0".format(*place))
        clock = known(lambda: vendor.amdsmi_get_clock_info(self._device, vendor.AmdSmiClkType.GFX)) or {}
        self._limit = _number(clock, "max_clk")
        self._held: dict[str, float] = {}

    def look(self, host: Condition) -> Condition:
        metrics = known(self._smi.amdsmi_get_gpu_metrics_info, self._device) or {}
        # Dies have clocks of their own, and work that is spread over all of them waits for the slowest.
        dies = [clock for clock in metrics.get("current_gfxclks", ()) if isinstance(clock, int) and clock > 0]
        return replace(
            host,
            clock=min(dies) if dies else _number(metrics, "current_gfxclk"),
            clock_limit=self._limit,
            throttle=self._throttle(metrics),
            temperature=_number(metrics, "temperature_hotspot", "temperature_edge"),
            power=_number(metrics, "current_socket_power", "average_socket_power"),
            foreign=self.foreign(),
        )

    def activity(self) -> dict[str, float]:
        found = known(self._smi.amdsmi_get_gpu_activity, self._device) or {}
        shares = {
            "device_busy": _number(found, "gfx_activity"),
            "dram_active": _number(found, "umc_activity"),
        }
        return {name: share / 100 for name, share in shares.items() if share is not None}

    def _throttle(self, metrics: dict[str, Any]) -> tuple[str, ...]:
        """The causes whose counters have grown since the last look, or the one word of older devices."""
        earlier, self._held = self._held, {}
        for name in RESIDENCIES:
            if (held := _number(metrics, name)) is not None:
                self._held[name] = held
        if not self._held:
            return (UNNAMED,) if metrics.get("indep_throttle_status") is True else ()
        return tuple(RESIDENCIES[name] for name, held in self._held.items() if held > earlier.get(name, held))

    def joules(self) -> float:
        """The counter counts steps of so many µJ, 15.3 on most devices."""
        count = self._smi.amdsmi_get_energy_count(self._device)
        return float(count["energy_accumulator"] * count["counter_resolution"]) / 1e6

    def processes(self) -> list[int]:
        return [process["pid"] for process in self._smi.amdsmi_get_gpu_process_list(self._device)]


def _number(found: dict[str, Any], *names: str) -> float | None:
    """The first of some entries that is a number; the library writes ``N/A`` where there is none."""
    return next((float(found[name]) for name in names if isinstance(found.get(name), (int, float))), None)
