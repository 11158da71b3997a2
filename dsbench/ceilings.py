"""What a device can do at best, measured: its matrix rate by precision and its copy bandwidth.

Kept beside the history as ``results/<machine>/ceilings-<backend>.jsonl``, because a machine's ceilings
belong to it and not to a commit; not as ``.json``, which asv would take for results.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsbench.records import Environment, Work, dump


@dataclass(frozen=True)
class Ceilings:
    """FLOP/s of a large matrix product by precision, and bytes a second of a large copy, read and
    written counted both; what could not be measured is absent or None. `measured` is in seconds since
    the epoch, `versions` are those of the libraries and the driver that it was measured with.

    Raises:
        ValueError: a rate is not a positive number.
    """

    device: str
    flops: Mapping[str, float] = field(default_factory=dict)
    bandwidth: float | None = None
    measured: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        copied = {} if self.bandwidth is None else {"copy": self.bandwidth}
        for name, rate in {**self.flops, **copied}.items():
            if not (isinstance(rate, (int, float)) and math.isfinite(rate) and rate > 0):
                raise ValueError(f"{name}: {rate!r} is no rate")

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "flops": dict(self.flops), "versions": dict(self.versions)}

    def bind(self, work: Work) -> Work:
        """The work with the seconds that the binding ceiling allows it, and which one binds; unchanged
        when a ceiling or a part of the work is unknown, because then another could bind.

        Source: Williams, Waterman, Patterson, "Roofline", Communications of the ACM 52 (2009).
        """
        rate = self.flops.get(work.dtype)
        if work.flops is None or work.bytes is None or not rate or not self.bandwidth:
            return work
        compute, memory = work.flops / rate, work.bytes / self.bandwidth
        return replace(work, floor=max(compute, memory), bound="compute" if compute >= memory else "memory")


def path_of(results: Path, environment: Environment) -> Path:
    """Where the ceilings of an environment's device lie."""
    return results / environment.machine / f"ceilings-{environment.device.backend}.jsonl"


def read(results: Path, environment: Environment) -> Ceilings | None:
    """The ceilings that were measured of this device, None when there are none of it.

    Raises:
        ValueError: the file cannot be read; the message names it and says what to do.
    """
    path = path_of(results, environment)
    try:
        found = Ceilings(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}): measure again, dsbench doctor --ceilings"
        ) from None
    return found if found.device == environment.device.name else None


def write(ceilings: Ceilings, results: Path, environment: Environment) -> Path:
    """Puts ceilings in the place of earlier ones, all at once.

    Raises:
        OSError: the folder cannot be written.
    """
    path = path_of(results, environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(dump(ceilings.to_json()) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path
