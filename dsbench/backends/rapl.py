"""The energy counters of the host's processor packages (RAPL), which Linux shows as files."""

from __future__ import annotations

from pathlib import Path

from dsbench.backends.base import UnsupportedError

ZONES = Path("/sys/class/powercap")
"""Where the kernel puts them, on processors of AMD too."""


class Rapl:
    """The packages of a machine, added up: cores and caches of all programs, without the memory's chips.

    Each counter starts again at zero when it is full, after minutes at full load, so what it has counted
    before is kept here; it has to be asked more often than it wraps around.

    Source: the kernel's Documentation/power/powercap/powercap.rst.
    """

    def __init__(self, zones: Path = ZONES) -> None:
        self._zones = zones
        self._latest: dict[Path, int] = {}
        self._total = 0

    def joules(self) -> float:
        """What the packages have consumed since this was first asked.

        Raises:
            UnsupportedError: there are no such counters, or this user may not read them.
        """
        packages = self._packages()
        if not packages:
            raise UnsupportedError(
                f"no energy counter of the processor: {self._zones} has no intel-rapl package "
                "(virtual machines and containers hide it)"
            )
        try:
            for package in packages:
                self._add(package)
        except PermissionError as error:
            raise UnsupportedError(
                f"the processor's energy counter may not be read: {error.strerror}; "
                f"allow it with: sudo chmod a+r {self._zones}/intel-rapl:*/energy_uj"
            ) from error
        except (OSError, ValueError) as error:
            raise UnsupportedError(f"the processor's energy counter cannot be read: {error}") from error
        return self._total / 1e6

    def _packages(self) -> list[Path]:
        """The zones that are whole packages; others are parts of one, or count all of them again."""
        return [
            name.parent
            for name in sorted(self._zones.glob("intel-rapl:*/name"))
            if name.read_text().startswith("package")
        ]

    def _add(self, package: Path) -> None:
        count = int((package / "energy_uj").read_text())
        grown = count - self._latest.get(package, count)
        if grown < 0:
            grown += int((package / "max_energy_range_uj").read_text())
        self._latest[package] = count
        self._total += grown
