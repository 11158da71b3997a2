"""Where and what was measured: captured in the process that measures, and compared before numbers are."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsbench import __version__
from dsbench.records import Device, Environment

if TYPE_CHECKING:
    from dsbench.backends import Backend

FILLER = frozenset(("nvidia", "amd", "intel", "corporation", "r", "tm", "cpu", "processor"))
"""Words of a device's name that tell no two machines apart."""


def capture(backend: Backend, machine: str = "", results: Path | None = None) -> Environment:
    """Describes this machine, the backend's device and the repository of the working directory.

    Args:
        backend: the device that is measured.
        machine: the machine's name; made from its hardware when empty, so that results say nothing of
            who owns it and equal machines share a series.
        results: a folder whose changes do not make the working tree dirty, since dsbench writes there.
    """
    import psutil  # who compares runs asks nothing of this machine, and need not import its devices

    from dsbench.backends.host import processor_name

    device = backend.describe()
    cores = psutil.cpu_count(logical=True) or 1
    git = repository(Path.cwd(), ignoring=() if results is None else (results,))
    return Environment(
        machine=machine or machine_name(device, cores),
        device=device,
        os=f"{platform.system()} {platform.release()}",
        cpu=processor_name(),
        cores=cores,
        memory=psutil.virtual_memory().total,
        python=platform.python_version(),
        versions={"dsbench": __version__},
        commit=git.commit,
        commit_time=git.commit_time,
        subject=git.subject,
        dirty=git.dirty,
        arch=platform.machine(),
    )


def machine_name(device: Device, cores: int) -> str:
    """A short name from the hardware: ``h200`` for an NVIDIA H200, ``epyc-2c`` for two cores of an
    AMD EPYC."""
    words = re.findall(r"[a-z0-9]+", device.name.partition("@")[0].lower())
    name = "-".join(word for word in words if word not in FILLER) or device.backend
    return f"{name}-{cores}c" if device.backend == "cpu" else name


@dataclass(frozen=True)
class Repository:
    """What git says of a folder; all None and clean outside a repository."""

    commit: str | None = None
    commit_time: float | None = None
    subject: str = ""
    dirty: bool = False


def repository(folder: Path, ignoring: Sequence[Path] = (), revision: str = "HEAD") -> Repository:
    """The commit checked out in a folder (or another revision), and whether the tree differs from it,
    leaving out `.dsbench`, the folders in `ignoring`, and what Python keeps of the suites that it read."""
    head = _git(folder, "log", "-1", "--format=%H%n%ct%n%s", revision, "--")
    if not head:
        return Repository()
    commit, seconds, subject = [*head.split("\n", 2), ""][:3]
    top = Path((_git(folder, "rev-parse", "--show-toplevel") or str(folder)).strip())
    ours = [path.resolve() for path in (*ignoring, folder / ".dsbench")]
    left_out = [f":(exclude,top){path.relative_to(top)}" for path in ours if top in path.parents]
    left_out.append(":(exclude,top,glob)**/__pycache__/**")
    changes = _git(folder, "status", "--porcelain", "--", ":(top)", *left_out)
    return Repository(commit, float(seconds), subject.strip(), bool((changes or "").strip()))


def commit_of(folder: Path, revision: str) -> str | None:
    """The commit that a git revision names, None when it names none."""
    found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return found.strip() if found else None


def is_ancestor(folder: Path, old: str, new: str) -> bool:
    """Whether a commit is another one or in its history; not so where git knows either of them not."""
    return _git(folder, "merge-base", "--is-ancestor", old, new) is not None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def difference(before: Environment, after: Environment) -> dict[str, tuple[str, str]]:
    """What differs between two environments besides the commit, by name: (before, after)."""
    left, right = _facts(before), _facts(after)
    return {
        name: (left.get(name, "–"), right.get(name, "–"))
        for name in dict.fromkeys((*left, *right))
        if left.get(name) != right.get(name)
    }


def _facts(environment: Environment) -> dict[str, str]:
    device = environment.device
    return {
        "machine": environment.machine,
        "backend": device.backend,
        "device": device.name,
        "driver": device.driver,
        "os": environment.os,
        "cpu": environment.cpu,
        "cores": str(environment.cores),
        "python": environment.python,
        **environment.versions,
        **device.versions,
    }
