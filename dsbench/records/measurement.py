"""Cases, samples and measurements, and how rounds are joined."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Scalar = bool | int | float | str


class Status(StrEnum):
    """How a measurement ended; failure is data and always carries a reason."""

    OK = "ok"
    UNSTABLE = "unstable"
    UNSUPPORTED = "unsupported"
    WRONG = "wrong"
    OOM = "oom"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    ERROR = "error"

    @property
    def has_numbers(self) -> bool:
        """Only a measurement that ended well has readings."""
        return self in (Status.OK, Status.UNSTABLE)

    @property
    def failed(self) -> bool:
        """A failure makes `dsbench run` exit with 3; `unsupported` is an answer, not a failure."""
        return not self.has_numbers and self is not Status.UNSUPPORTED


@dataclass(frozen=True, slots=True)
class Case:
    """One benchmark x candidate x point."""

    suite: str
    benchmark: str
    candidate: str
    point: tuple[tuple[str, Scalar], ...] = ()
    version: int = 1

    @property
    def name(self) -> str:
        """The full name that filters match, such as ``attention.prefill.sdpa_flash[N=1024,D=64]``."""
        values = ",".join(f"{axis}={value}" for axis, value in self.point)
        return f"{self.suite}.{self.benchmark}.{self.candidate}" + (f"[{values}]" if values else "")

    @property
    def at(self) -> dict[str, Scalar]:
        """The point as a mapping from axis to value."""
        return dict(self.point)

    def to_json(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "benchmark": self.benchmark,
            "candidate": self.candidate,
            "point": dict(self.point),
            "version": self.version,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        return cls(
            data["suite"],
            data["benchmark"],
            data["candidate"],
            tuple(data["point"].items()),
            data["version"],
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading: its value in the reading's unit, the round it was taken in, the calls it averages
    over, and the cause when it was disturbed (marked, never dropped)."""

    value: float
    round: int
    calls: int = 1
    mark: str = ""

    @property
    def cause(self) -> str:
        """The mark without its figures, so that alike ones can be counted."""
        return re.sub(r"\d+(\.\d+)?", "…", self.mark)


@dataclass(frozen=True, slots=True)
class Work:
    """What one call must do at least: floating-point operations, in `dtype`'s precision, and bytes moved;
    None if unknown. `floor` is the seconds that the device's measured ceilings allow it, and `bound` the
    ceiling that binds, ``compute`` or ``memory``; both unknown where the ceilings are."""

    flops: float | None = None
    bytes: float | None = None
    dtype: str = ""
    floor: float | None = None
    bound: str = ""

    def to_json(self) -> dict[str, Any]:
        extra = {"dtype": self.dtype, "floor": self.floor, "bound": self.bound}
        return {"flops": self.flops, "bytes": self.bytes, **{k: v for k, v in extra.items() if v}}


@dataclass(frozen=True)
class Measurement:
    """The outcome of one probe on one case. The status decides which fields exist: readings only for
    ``ok`` and ``unstable``, a reason for everything but ``ok``.

    `notes` are facts about how it was measured (why sampling stopped, loops, threads); `detail` holds
    the last lines of stderr or a traceback when something went wrong.
    """

    case: Case
    probe: str
    status: Status
    reason: str = ""
    readings: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    work: Work = Work()
    notes: Mapping[str, Scalar] = field(default_factory=dict)
    detail: str = ""

    def __post_init__(self) -> None:
        if self.status.has_numbers and not any(self.readings.values()):
            raise ValueError(f"{self.case.name}: a measurement that is {self.status} needs readings")
        if not self.status.has_numbers and self.readings:
            raise ValueError(f"{self.case.name}: a measurement that is {self.status} has no readings")
        if self.status is not Status.OK and not self.reason:
            raise ValueError(f"{self.case.name}: a measurement that is {self.status} needs a reason")

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "measurement",
            "case": self.case.to_json(),
            "probe": self.probe,
            "status": self.status.value,
            "reason": self.reason,
            "readings": {
                name: [_sample_to_json(sample) for sample in samples]
                for name, samples in self.readings.items()
            },
            "work": self.work.to_json(),
            "notes": dict(self.notes),
            "detail": self.detail,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        return cls(
            case=Case.from_json(data["case"]),
            probe=data["probe"],
            status=Status(data["status"]),
            reason=data["reason"],
            readings={name: tuple(Sample(*row) for row in rows) for name, rows in data["readings"].items()},
            work=Work(**data["work"]),
            notes=data["notes"],
            detail=data["detail"],
        )


def _sample_to_json(sample: Sample) -> list[Any]:
    # Six significant digits are finer than any clock here and keep the files small.
    row: list[Any] = [float(f"{sample.value:.6g}"), sample.round, sample.calls]
    return [*row, sample.mark] if sample.mark else row


def merge_rounds(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Joins the rounds of each (case, probe): samples are put together, and the worst status wins,
    because a case that fails in one process of three is not fine. Order of first appearance is kept."""
    worst_first = list(Status)
    merged: dict[tuple[Case, str], Measurement] = {}
    for new in measurements:
        key = (new.case, new.probe)
        old = merged.get(key)
        if old is None:
            merged[key] = new
        elif not (old.status.has_numbers and new.status.has_numbers):
            merged[key] = max(old, new, key=lambda m: worst_first.index(m.status))
        else:
            names = [*old.readings, *(name for name in new.readings if name not in old.readings)]
            worst = max(old, new, key=lambda m: worst_first.index(m.status))
            merged[key] = replace(
                worst,
                readings={name: (*old.readings.get(name, ()), *new.readings.get(name, ())) for name in names},
            )
    return list(merged.values())


def dump(row: Mapping[str, Any]) -> str:
    """One strict JSON line.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
    """
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def parse(line: str | bytes) -> Any:
    """Reads what `dump` wrote.

    Raises:
        ValueError: it is no JSON, or holds NaN or Infinity, which are none.
    """
    return json.loads(line, parse_constant=_refuse)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
