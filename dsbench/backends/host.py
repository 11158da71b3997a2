"""What the operating system says of the host's processor and memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from dsbench.backends.base import UnsupportedError


def usable_cores() -> tuple[int, ...]:
    """The numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def thread_count(environ: Mapping[str, str]) -> int:
    """``OMP_NUM_THREADS`` where it is a positive number (its first, when it lists some for nested
    regions), else one for each usable core."""
    wanted = environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else len(usable_cores())


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model, or at least its architecture."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE):
            return found[1].strip()
    return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def last_level_cache(cpus: Path = Path("/sys/devices/system/cpu")) -> int | None:
    """Bytes of the last level of cache over all usable cores, None when the system does not say.

    A processor may have several such caches, each shared by some of its cores; all of them have to be
    flushed, so they are added up.
    """
    found: dict[tuple[int, str], int] = {}
    with contextlib.suppress(OSError, ValueError):
        for core in usable_cores():
            for cache in (cpus / f"cpu{core}" / "cache").glob("index*"):
                level, shared, size = (
                    (cache / name).read_text().strip() for name in ("level", "shared_cpu_list", "size")
                )
                found[int(level), shared] = int(size.removesuffix("K")) * 1024
    if found:
        last = max(level for level, _ in found)
        return sum(size for (level, _), size in found.items() if level == last)
    for name in ("SC_LEVEL3_CACHE_SIZE", "SC_LEVEL2_CACHE_SIZE"):
        if name in os.sysconf_names and (size_in_bytes := os.sysconf(name)) > 0:
            return size_in_bytes
    return next((int(size) for name in ("hw.l3cachesize", "hw.l2cachesize") if (size := _sysctl(name))), None)


def _sysctl(name: str) -> str:
    """A value of macOS's kernel, empty elsewhere and where there is none."""
    if sys.platform != "darwin":
        return ""
    return subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False).stdout.strip()


def peak_resident(call: Callable[[], Any], process: Path = Path("/proc/self")) -> int:
    """The bytes by which the resident set grew at most during one call.

    What the allocator keeps for later is given back first, since the call could grow into it unseen.
    The kernel counts pages in batches on each core, so on many cores a few megabytes may be missing.

    Raises:
        UnsupportedError: the kernel keeps no peak that can be reset.

    Source: proc_pid_clear_refs(5) and proc_pid_status(5), ``VmHWM``.
    """
    gc.collect()
    trim()
    try:
        (process / "clear_refs").write_text("5")
        before = _high_water(process)
    except OSError as error:
        raise UnsupportedError(f"no peak of the resident memory that can be reset: {error}") from None
    call()
    return _high_water(process) - before


def _high_water(process: Path) -> int:
    found = re.search(r"^VmHWM:\s*(\d+) kB$", (process / "status").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{process / 'status'} has no VmHWM")
    return int(found[1]) * 1024


def trim() -> None:
    """Makes the C library give free memory back to the system, where it can."""
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


CGROUP_FILES = {
    # Version of the control groups: the limit, what is used, and what of it are files' pages that would
    # be dropped before anything fails.
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def available_memory(cgroup: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process could still take: of the machine, or of its control group when that is
    less."""
    rooms = [psutil.virtual_memory().available]
    with contextlib.suppress(OSError):
        for line in cgroup.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                folder = mount / controllers / path.lstrip("/")
                files = CGROUP_FILES[1 if controllers else 2]
                # A limit of any group above holds too; below a container's root none of them is seen.
                rooms += [_room(group, *files) for group in (folder, *folder.parents)]
    return max(0, min(rooms))


def _room(group: Path, limit: str, usage: str, reclaimable: str) -> int:
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / usage).read_text()) - int(stat[reclaimable])
        return int((group / limit).read_text()) - used
    except (OSError, ValueError, KeyError):  # no such group, or its limit is "max"
        return sys.maxsize
