"""The data of runs: who measured what when, what differed, and how it is repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsbench.environment import difference
from dsbench.metrics import Metric
from dsbench.records import Case
from dsbench.reports.site.files import CaseFiles, Point, case_id, text
from dsbench.reports.site.inputs import Stored
from dsbench.reports.site.newest import Newest, place_key


def runs_json(runs: Sequence[Stored], metrics: Sequence[Metric], newest: Newest) -> dict[str, Any]:
    """The metrics by number, the places, the words around a case in commands that repeat runs, and every run.

    Args:
        runs: all of them, by the time of their commits.
        metrics: in the order of their numbers.
        newest: which runs hold the newest measurements of a place.
    """
    order = {place: number for number, place in enumerate(sorted({run.place for run in runs}))}
    repeats = {words: number for number, words in enumerate(dict.fromkeys(run.repeat for run in runs))}
    before: dict[tuple[str, str, str], Stored] = {}
    rows = []
    for run in runs:
        rows.append(_run_json(run, order[run.place], repeats[run.repeat], before.get(run.place)))
        before[run.place] = run
    return {
        "metrics": [[m.name, m.unit, m.direction, m.probe, m.meaning] for m in metrics],
        "places": [_place_json(before[place], newest) for place in order],
        "repeats": list(repeats),
        "runs": rows,
    }


def _place_json(last: Stored, newest: Newest) -> dict[str, Any]:
    where = last.where
    return {
        "key": place_key(last.place),
        "machine": text(where.machine),
        "environment": text(where.name),
        "backend": text(where.device.backend),
        "device": text(where.device.name),
        "newest": newest.runs(place_key(last.place)),
    }


def _run_json(run: Stored, place: int, repeat: int, before: Stored | None) -> dict[str, Any]:
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
        "repeat": repeat,
        "changed": [[text(name), text(old), text(new)] for name, (old, new) in changed.items()],
    }


def _changed(before: Stored, run: Stored) -> dict[str, tuple[str, str]]:
    return difference(before.where, run.where)


HABIT = 100
"""Newest runs from which it is told how far a series usually moves."""


class Recent:
    """What a place's newest runs say of its cases, each case's file being read once."""

    def __init__(self, files: CaseFiles, runs: Sequence[Stored], index: Mapping[str, int]) -> None:
        self._files, self._index = files, index
        self._points: dict[str, dict[int, Point]] = {}
        self._numbers = [run.number for run in runs[-HABIT - 1 :]]

    def points(self, case: Case) -> dict[int, Point]:
        """What they say of a case, by number, oldest first."""
        if case.name not in self._points:
            self._points[case.name] = self._files.points(case_id(case), self._numbers)
        return self._points[case.name]

    def habit(self, case: Case, metric: str) -> list[float]:
        """The values of a metric of a case (of this version) before the newest run, oldest first."""
        number = self._index[metric]
        before = [point for run, point in self.points(case).items() if run != self._numbers[-1]]
        found = [p for p in before if p.version == case.version and number in p.metrics]
        values = [point.metrics[number][0] for point in found]
        return [value for value in values if value is not None]
