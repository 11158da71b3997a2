"""The data of runs and cases: who measured what when, what differed, and how it is repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsbench.environment import difference
from dsbench.metrics import Metric
from dsbench.records import Case, Run
from dsbench.reports.repeat import command_line
from dsbench.reports.site.files import CaseFiles, case_id, text
from dsbench.reports.site.inputs import Stored


def runs_json(runs: Sequence[Stored], metrics: Sequence[Metric]) -> dict[str, Any]:
    """The metrics by number, the places, and every run.

    Args:
        runs: all of them, by the time of their commits.
        metrics: in the order of their numbers.
    """
    order = sorted({run.place for run in runs})
    before: dict[tuple[str, str, str], Stored] = {}
    rows = []
    for run in runs:
        rows.append(_run_json(run, order.index(run.place), before.get(run.place)))
        before[run.place] = run
    return {
        "metrics": [[m.name, m.unit, m.direction, m.probe, m.meaning] for m in metrics],
        "places": [_place_json(before[place]) for place in order],
        "runs": rows,
    }


def _place_json(newest: Stored) -> dict[str, str]:
    where = newest.where
    return {
        "key": place_key(where.machine, where.name, where.device.name),
        "machine": text(where.machine),
        "environment": text(where.name),
        "backend": text(where.device.backend),
        "device": text(where.device.name),
    }


def _run_json(run: Stored, place: int, before: Stored | None) -> dict[str, Any]:
    where = run.where
    changed = {} if before is None or before.environment == run.environment else _changed(before, run)
    return {
        "number": run.number,
        "key": text(run.key),
        "place": place,
        "commit": text(run.commit),
        "time": run.time,
        "subject": text(where.subject),
        "id": text(run.id),
        "started": run.started,
        "dirty": where.dirty,
        "changed": [[text(name), text(old), text(new)] for name, (old, new) in changed.items()],
    }


def _changed(before: Stored, run: Stored) -> dict[str, tuple[str, str]]:
    return difference(before.where, run.where)


def place_key(machine: str, environment: str, device: str) -> str:
    """What names a place in links and in a case's commands."""
    return text(f"{machine}/{environment}/{device}")


Place = tuple[str, str, str]
"""Machine, environment's name and device."""


def place_of(run: Run) -> Place:
    """What a run shares its series with."""
    return (run.environment.machine, run.environment.name, run.environment.device.name)


class Touched:
    """A case that a new run measured: its new lines, and by place the newest of the new runs."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.lines: list[str] = []
        self.newest: dict[Place, tuple[Run, Case]] = {}

    @property
    def case(self) -> Case:
        """The case, in the version that the newest of the new runs measured."""
        return max(self.newest.values(), key=lambda row: row[0].environment.commit_time or 0.0)[1]

    def header(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """The head of the case's file: its names, and by place when it was measured last and the command
        that repeats it; `old` is the head that it had."""
        commands = dict(old.get("commands", {}))
        for place, (run, case) in self.newest.items():
            key, when = place_key(*place), run.environment.commit_time or 0.0
            if key not in commands or commands[key][0] <= when:
                commands[key] = [when, text(command_line(run, case), 2000)]
        return {
            "name": text(case.name),
            "suite": text(case.suite),
            "benchmark": text(case.benchmark),
            "candidate": text(case.candidate),
            "at": text(", ".join(f"{axis}={value}" for axis, value in case.point)),
            "point": [[text(axis), _scalar(value)] for axis, value in case.point],
            "commands": commands,
            **({"marks": old["marks"]} if "marks" in old else {}),
        }


def _scalar(value: object) -> object:
    return value if isinstance(value, (int, float)) else text(str(value))


def see_newest(read: Sequence[tuple[Run, Mapping[str, Case]]], touched: Mapping[str, Touched]) -> None:
    """Finds by place the newest run of each case.

    Args:
        read: runs with the cases that they measured, by name.
        touched: those cases.
    """
    seen: dict[Place, set[str]] = {}
    for run, cases in sorted(read, key=lambda row: row[0].environment.commit_time or 0.0, reverse=True):
        place = place_of(run)
        already = seen.setdefault(place, set())
        for name in cases.keys() - already:
            touched[name].newest[place] = (run, cases[name])
        already |= cases.keys()


HABIT = 100
"""Newest runs from which it is told how far a series usually moves."""


class Habits:
    """The earlier values of a place's series, read from the files of its cases."""

    def __init__(self, files: CaseFiles, runs: Sequence[Stored], index: Mapping[str, int]) -> None:
        self._files, self._index = files, index
        self._numbers = [run.number for run in runs[-HABIT - 1 : -1]]

    def __call__(self, case: Case, metric: str) -> list[float]:
        """The values of a metric of a case (of this version) before the newest run, oldest first."""
        number = self._index[metric]
        points = self._files.points(case_id(case), self._numbers)
        found = [points[run] for run in self._numbers if run in points]
        return [p.metrics[number][0] for p in found if p.version == case.version and number in p.metrics]
