"""Devices, environments and runs, and the JSON Lines that a run is written as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsbench.records.measurement import Measurement, dump, merge_rounds, parse

FORMAT = 1
"""The version of the run file; raised when an old reader would misread a new file."""


@dataclass(frozen=True)
class Device:
    """What was measured on: sizes in bytes, None where the vendor does not say."""

    backend: str
    name: str
    index: int = 0
    driver: str = ""
    memory: int | None = None
    cache: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Environment:
    """Machine, backend, device, driver, versions, and the commit that was measured.

    `commit` is None outside a git repository; `commit_time` is in seconds since the epoch.
    """

    machine: str
    device: Device
    os: str
    cpu: str
    cores: int
    memory: int
    python: str
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    commit_time: float | None = None
    subject: str = ""
    dirty: bool = False
    arch: str = ""

    @property
    def name(self) -> str:
        """The environment's part of a results file's name, such as ``dsbench-cuda-py3.12``."""
        return f"dsbench-{self.device.backend}-py{'.'.join(self.python.split('.')[:2])}"

    def to_json(self) -> dict[str, Any]:
        return {
            **{key: value for key, value in vars(self).items() if key != "device"},
            "versions": dict(self.versions),
            "device": {**vars(self.device), "versions": dict(self.device.versions)},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Environment:
        return cls(**{**data, "device": Device(**data["device"])})


@dataclass(frozen=True)
class Run:
    """The measurements of one invocation, rounds merged, and their environment.

    `settings` are the options the run was made with; `planned` names every case it set out to
    measure; `baselines` maps ``suite.benchmark`` to its baseline candidate; `suite_errors` maps a
    suite that could not be imported to the message. `ended` is None for a run that was cut off.
    Times are seconds since the epoch.
    """

    id: str
    started: float
    environment: Environment
    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: tuple[str, ...] = ()
    baselines: Mapping[str, str] = field(default_factory=dict)
    suite_errors: Mapping[str, str] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    ended: float | None = None

    @property
    def quick(self) -> bool:
        return bool(self.settings.get("quick", False))

    def header(self) -> dict[str, Any]:
        """The first line of a run's file."""
        return {
            "type": "run",
            "format": FORMAT,
            "id": self.id,
            "started": self.started,
            "environment": self.environment.to_json(),
            "settings": dict(self.settings),
            "planned": list(self.planned),
            "baselines": dict(self.baselines),
            "suite_errors": dict(self.suite_errors),
        }

    def lines(self) -> list[str]:
        """The run as JSON Lines: a header, a line a measurement, and an end when it has ended."""
        rows = [self.header(), *(m.to_json() for m in self.measurements)]
        if self.ended is not None:
            rows.append({"type": "end", "ended": self.ended})
        return [dump(row) for row in rows]

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Run:
        """Reads a run back; a last line that was cut off by a crash is passed over.

        Raises:
            ValueError: the lines are not those of a run.
        """
        rows = [line for line in lines if line.strip()]
        measurements: list[Measurement] = []
        header: dict[str, Any] = {}
        ended: float | None = None
        for number, line in enumerate(rows, start=1):
            try:
                row = parse(line)
                if row["type"] == "run":
                    header = row
                elif row["type"] == "measurement":
                    measurements.append(Measurement.from_json(row))
                elif row["type"] == "end":
                    ended = row["ended"]
            except (ValueError, KeyError, TypeError) as error:
                if number == len(rows) > 1:
                    break
                raise ValueError(f"line {number} cannot be read: {error!r}") from None
        if header.get("format") != FORMAT:
            raise ValueError(f"there is no header of a run in format {FORMAT}")
        return cls(
            **{key: header[key] for key in ("id", "started", "settings", "baselines", "suite_errors")},
            environment=Environment.from_json(header["environment"]),
            planned=tuple(header["planned"]),
            measurements=tuple(merge_rounds(measurements)),
            ended=ended,
        )
