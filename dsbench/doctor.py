"""What would disturb a measurement on this machine, each with what to do about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

BUSY = 0.15
"""Share of the cores in use by others above which readings scatter."""


def warnings(system: Path = Path("/sys")) -> list[str]:
    """Looks for load, frequency scaling and short memory, and says in words what was found.

    Args:
        system: where the kernel shows its settings.
    """
    found: list[str] = []
    cores = psutil.cpu_count() or 1
    busy = psutil.cpu_percent(interval=1.0) / 100
    if busy > BUSY:
        load = psutil.getloadavg()[0]
        busy_now = f"other programs use {busy:.0%} of {cores} cores (load {load:.1f})"
        found.append(f"{busy_now}: stop them, or use more --rounds")
    cpu = system / "devices/system/cpu"
    governor = _read(cpu / "cpu0/cpufreq/scaling_governor")
    if governor and governor != "performance":
        found.append(
            f"the frequency governor is '{governor}', so speed depends on what ran before: "
            "sudo cpupower frequency-set -g performance"
        )
    if _read(cpu / "intel_pstate/no_turbo") == "0" or _read(cpu / "cpufreq/boost") == "1":
        found.append(
            "turbo is on, so speed depends on temperature and on how many cores are busy: "
            "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost (AMD), "
            "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo (Intel)"
        )
    if cores < 2:
        found.append("there is one core, which the system shares with what is measured: use more --rounds")
    available = psutil.virtual_memory().available
    if available < 2 * 2**30:
        found.append(f"only {available / 2**30:.1f} GiB of memory are free: large points will not fit")
    if shutil.which("git") is None:
        found.append("git is not installed, so results cannot be kept by commit: install git")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
