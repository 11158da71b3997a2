"""What a site is made of, and what of it has changed since it was made."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from dsbench.history.reading import Lines, Numbers
from dsbench.records import Environment
from dsbench.reports.repeat import around
from dsbench.reports.site.files import opening, text

FEW = 200
"""Measurements, from all over a run, whose intervals tell how noisy it was."""

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Stored:
    """A recorded run as the manifest keeps it: its file, and what pages say of it as a whole.

    `number` names its files and lines in the site; `noise` is the typical half width of a latency's interval,
    as a share; `disturbed` counts marked readings by cause, of `samples`; `repeat` is what stands before and
    after the words of a case in a command that repeats it.
    """

    key: str
    number: int
    size: int
    modified: int
    digest: str
    id: str
    started: float
    environment: dict[str, Any]
    cases: int
    measurements: int
    noise: float | None
    samples: int
    disturbed: dict[str, int]
    repeat: tuple[str, str]

    @cached_property
    def place(self) -> tuple[str, str, str]:
        """Machine, environment's name and device: what shares series."""
        where = self.where
        return (where.machine, where.name, where.device.name)

    @cached_property
    def where(self) -> Environment:
        return Environment.from_json(self.environment)

    @cached_property
    def opening(self) -> str:
        """How its lines in files of cases begin."""
        return opening(self.number)

    @property
    def commit(self) -> str:
        return str(self.environment["commit"])

    @property
    def time(self) -> float:
        """When its commit was made, in seconds since the epoch."""
        return float(self.environment["commit_time"])


@dataclass
class Manifest:
    """Everything that a later build needs to know of a site.

    `made_by` says which program made it, `green` which runs were green after which others, `cases` what each
    case is called (`Known.parts`), `newest` by place which run measured each case last (`Newest`), and
    `shown` by place what pages say of it and what they were made of.
    """

    made_by: str
    runs: list[Stored] = field(default_factory=list)
    green: dict[str, tuple[str, bool]] = field(default_factory=dict)
    cases: dict[str, list[Any]] = field(default_factory=dict)
    newest: dict[str, dict[str, int]] = field(default_factory=dict)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, site: Path, made_by: str) -> Manifest:
        """The manifest of a site, empty when there is none that can be gone on with."""
        try:
            data = orjson.loads((site / MANIFEST).read_bytes())
            if data["made_by"] != made_by:
                return cls(made_by)
            runs = [Stored(**{**row, "repeat": tuple(row["repeat"])}) for row in data.pop("runs")]
            return cls(runs=runs, **data)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(made_by)

    def write(self, site: Path) -> None:
        names = [part.name for part in fields(Stored)]
        runs = [{name: getattr(run, name) for name in names} for run in self.runs]
        data = json.dumps({**vars(self), "runs": runs}, separators=(",", ":"))
        (site / MANIFEST).write_text(data, encoding="utf-8")


def made_by(metrics: list[str]) -> str:
    """What makes two builds go on from each other: what is looked for, and the program, by its own source, so
    that no file of another form is ever kept, and no verdict of another gate."""
    sources = sorted(Path(__file__).parents[2].rglob("*.py"))
    return f"{digest_of(b''.join(path.read_bytes() for path in sources))} {' '.join(metrics)}"


def digest_of(content: bytes) -> str:
    """What tells one content from another."""
    return hashlib.sha256(content).hexdigest()[:32]


@dataclass(frozen=True)
class Difference:
    """Side-cars by key: `kept` are as they were, `fresh` have to be read, `gone` are the numbers of runs that
    the site holds and that changed or were removed."""

    kept: list[Stored]
    fresh: dict[str, Path]
    gone: frozenset[int]


def difference(results: Path, manifest: Manifest) -> Difference:
    """Compares a folder of results with what a site was made of: by size and time of change, and where these
    differ, as in a fresh checkout, by content."""
    known = {run.key: run for run in manifest.runs}
    kept: list[Stored] = []
    fresh: dict[str, Path] = {}
    for path in sorted(results.glob("*/*-dsbench-*.jsonl")):
        key = f"{path.parent.name}/{path.stem}"
        old = known.get(key)
        if old is not None and _same(path, old):
            kept.append(old)
        else:
            fresh[key] = path
    stay = {run.number for run in kept}
    return Difference(kept, fresh, frozenset(run.number for run in manifest.runs if run.number not in stay))


def _same(path: Path, old: Stored) -> bool:
    try:
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) == (old.size, old.modified):
            return True
        return now.st_size == old.size and digest_of(path.read_bytes()) == old.digest
    except OSError:
        return False


def stored(
    key: str, number: int, content: bytes, modified: int, lines: Lines, found: Numbers, cases: int
) -> Stored:
    """What the manifest keeps of a run that was read."""
    run, metrics = lines.run, found.metrics
    before, after = (text(shlex.join(words), 2000) for words in around(run))
    widths = [
        (high - low) / 2 / value
        for some in metrics[:: max(1, len(metrics) // FEW)]
        for name, value, low, high in some
        if name == "latency" and low is not None and high is not None and value > 0
    ]
    return Stored(
        key=key,
        number=number,
        size=len(content),
        modified=modified,
        digest=digest_of(content),
        id=run.id,
        started=run.started,
        environment=run.environment.to_json(),
        cases=cases,
        measurements=len(metrics),
        noise=float(f"{median(widths):.4g}") if widths else None,
        samples=found.samples,
        disturbed=dict(found.disturbed),
        repeat=(before, after),
    )
