"""How busy a device is, as seen from outside the process that keeps it so; torch is not needed for it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import psutil

from dsbench.backends.condition import Condition
from dsbench.backends.sensors import Sensors, ask

Activity = Callable[[], dict[str, float]]
"""Looks: shares of one (``device_busy``, ``sm_active``, ...) since the last look or of the device's own
last moment, ``power`` in W, ``clock`` in MHz, ``temperature`` in °C; without what is unknown."""


def of_process(pid: int, cores: int) -> Activity:
    """The processor time of a process over that of the cores it may use: ``device_busy`` of a host.

    Args:
        pid: the process.
        cores: how many cores its work is spread over.

    Raises:
        psutil.Error: there is no such process.
    """
    process = psutil.Process(pid)
    last = [time.monotonic(), _seconds(process)]

    def look() -> dict[str, float]:
        with contextlib.suppress(psutil.Error):  # it has ended
            now, seconds = time.monotonic(), _seconds(process)
            share = (seconds - last[1]) / max(now - last[0], 1e-9) / cores
            last[:] = now, seconds
            return {"device_busy": share}
        return {}

    return look


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def of_device(
    sensors: type[Sensors], library: str, missing: str, identity: Mapping[str, Any], vendor: Any = None
) -> tuple[Activity | None, str]:
    """What a vendor's library says of a device.

    Args:
        sensors: who asks it.
        library, missing: the library's name, and what to say where it is not installed.
        identity: what tells it which device is meant (`Sensors.identity`).
        vendor: the library, imported now when it is None.

    Returns:
        How to look, and why there is no way; one of them is empty.
    """
    opened, why = ask(library, missing, vendor, lambda found: sensors(found, SimpleNamespace(**identity)))
    if opened is None:
        return None, why

    def look() -> dict[str, float]:
        seen = opened.look(Condition(time.monotonic()))
        facts = {"power": seen.power, "clock": seen.clock, "temperature": seen.temperature}
        return {**opened.activity(), **{name: value for name, value in facts.items() if value is not None}}

    return look, ""


IOREG = ("ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")
_UTILISATION = re.compile(r'"Device Utilization %"\s*=\s*(\d+)')


def of_metal(command: tuple[str, ...] = IOREG) -> Activity:
    """What macOS's registry says of the graphics processor without asking for root: the share of the last
    moment in which it worked. Power and clocks are shown to root only."""

    def look() -> dict[str, float]:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1.0).stdout
            if found := _UTILISATION.findall(told):
                return {"device_busy": max(map(int, found)) / 100}
        return {}

    return look
