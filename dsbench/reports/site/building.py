"""Building the site: what is new is read, what is old is kept, and the whole takes the old site's place."""

from __future__ import annotations

import gc
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.history.reading import Heads, Lines, lines, numbers
from dsbench.history.sidecar import HistoryError
from dsbench.metrics import METRICS, Metric
from dsbench.records import Case
from dsbench.reports.site import inputs
from dsbench.reports.site.files import CaseFiles, by_run, case_id, flattened, link, opening, script
from dsbench.reports.site.inputs import Manifest, Stored, stored
from dsbench.reports.site.layout import Known, Layout
from dsbench.reports.site.marks import EVERY_TURN, TURNS, due, marks, turn_of
from dsbench.reports.site.newest import Newest, place_key
from dsbench.reports.site.pages import write_pages
from dsbench.reports.site.places import shown
from dsbench.reports.site.recorded import Recorded
from dsbench.reports.site.runs import runs_json

Places = Sequence[Sequence[Stored]]
"""The runs of each place, by the time of their commits."""


class SiteError(Exception):
    """A site cannot be built; one line that says why and what to do."""


class EmptyError(SiteError):
    """Nothing is recorded."""


@dataclass(frozen=True)
class Built:
    """What was done: runs in the site, of which so many were read, and a line for each file that could not
    be."""

    path: Path
    runs: int
    read: int
    problems: list[str]


def build(results: Path, site: Path, metrics: Mapping[str, Metric] = METRICS) -> Built:
    """Makes the site of everything recorded, or brings it up to date.

    Args:
        results: the folder of the history.
        site: the folder of the site, replaced as a whole when the new one is complete.
        metrics: those that are shown.

    Raises:
        EmptyError: nothing is recorded.
        SiteError: the folder holds something else.
        OSError: it cannot be written.
    """
    site = site.resolve()
    if site.exists() and any(site.iterdir()) and not (site / inputs.MANIFEST).is_file():
        raise SiteError(f"{site} holds other files than a dashboard: choose a folder of its own")
    site.parent.mkdir(parents=True, exist_ok=True)
    collecting = gc.isenabled()
    gc.disable()  # nothing here is cyclic, and looking for cycles among millions of rows costs a third
    try:
        with tempfile.TemporaryDirectory(prefix=f".{site.name}-", dir=site.parent) as folder:
            stage = Path(folder, "site")
            built = _Build(results, site, stage, metrics).make()
            if site.exists():
                site.replace(Path(folder, "old"))
            stage.replace(site)
            return built
    finally:
        if collecting:
            gc.enable()


RUN_FILES = ("run", "samples")


class _Build:
    def __init__(self, results: Path, site: Path, stage: Path, metrics: Mapping[str, Metric]) -> None:
        self.results, self.site, self.stage, self.metrics = results, site, stage, metrics
        primary = [metric.name for metric in metrics.values() if metric.primary]
        self.index = {name: number for number, name in enumerate(primary)}
        self.primary = [metrics[name] for name in primary]
        self.manifest = Manifest.read(site, inputs.made_by(primary))
        self.files = CaseFiles(site if self.manifest.runs else None, stage)
        self.problems: list[str] = []
        self.heads = Heads()
        self.cases: dict[str, Known] = {}  # that new runs measured, by name
        self.layouts: dict[tuple[int, tuple[str, ...]], Layout] = {}
        self.read: list[tuple[Stored, Layout]] = []
        for name in RUN_FILES:
            (stage / "data" / name).mkdir(parents=True)

    def make(self) -> Built:
        found = inputs.difference(self.results, self.manifest)
        before = Counter(run.place for run in self.manifest.runs)
        for name in RUN_FILES:
            old, new = self.site / "data" / name, self.stage / "data" / name
            for run in found.kept:
                link(f"{old}/{run.number}.js", f"{new}/{run.number}.js")
        free = 1 + max((run.number for run in self.manifest.runs), default=0)
        for key, path in found.fresh.items():
            free += self._read(key, path, free)
        runs = [*found.kept, *(run for run, _ in self.read)]
        if not runs:
            told = self.problems[0] if self.problems else f"nothing is recorded under {self.results}"
            raise EmptyError(f"{told}: a full `dsbench run` of a clean commit records it")
        runs.sort(key=lambda run: (run.time, run.number))
        self.manifest.runs = runs
        newest = Newest({} if found.gone else self.manifest.newest, runs)
        places: dict[tuple[str, str, str], list[Stored]] = {}
        for run in runs:
            places.setdefault(run.place, []).append(run)
        by_place = [places[place] for place in sorted(places)]
        turns = [EVERY_TURN if found.gone else self._due(there, before[there[0].place]) for there in by_place]
        looked = [
            [there for there, due_here in zip(by_place, turns, strict=True) if turn in due_here]
            for turn in range(TURNS)
        ]
        self._cases(looked, found.gone, newest)
        self._pages(by_place, newest)
        self.manifest.newest = newest.places
        self.manifest.write(self.stage)
        return Built(self.site, len(runs), len(found.fresh), self.problems)

    def _read(self, key: str, path: Path, number: int) -> bool:
        """Writes a run's files, and notes its lines in those of its cases."""
        try:
            content = path.read_bytes()
            modified = path.stat().st_mtime_ns
            run = lines(path, content, self.heads)
            found = numbers(path, run, self.metrics)
        except (HistoryError, OSError) as error:
            self.problems.append(str(error))
            return False
        flats = flattened(found.metrics, self.index)
        layout = self._layout(run)
        layout.tell(number, flats)
        told = layout.run_file(number, run.run.environment.to_json(), flats)
        (self.stage / f"data/run/{number}.js").write_text(told, encoding="utf-8")
        (self.stage / f"data/samples/{number}.js").write_bytes(layout.samples_file(number, run))
        self.read.append((stored(key, number, content, modified, run, found, layout.cases), layout))
        return True

    def _layout(self, run: Lines) -> Layout:
        key = (id(run.heads), run.run.planned)  # `heads` keeps what it gave, so that no id is met twice
        if key not in self.layouts:
            self.layouts[key] = Layout(run.heads, run.run.planned, self._meet)
        return self.layouts[key]

    def _meet(self, case: Case, name: str) -> Known:
        return self.cases.setdefault(name, Known(case_id(case), case))

    def _due(self, runs: Sequence[Stored], before: int) -> frozenset[int]:
        """The turns of cases whose change points at a place are looked for, now that it has these runs."""
        new = any(run.place == runs[0].place for run, _ in self.read)
        return due(len(runs), before, len(self.cases)) if new else frozenset()

    def _cases(self, looked: Sequence[Places], gone: frozenset[int], newest: Newest) -> None:
        """Writes the files of the cases whose turn it is or that have none, and keeps the others.

        Args:
            looked: by turn, the runs of the places in which change points are looked for.
            gone: the numbers of runs that changed or were removed.
            newest: takes note of what new runs measured.
        """
        touched = {one.identity: one for one in self.cases.values()}
        again = [{run.number for runs in places for run in runs} for places in looked]
        old, dropped = set(self.files.known()), set(map(opening, gone))
        for identity in sorted(old | touched.keys()):
            new, turn = touched.get(identity), turn_of(identity)
            if new is None and not gone:
                self.files.keep(identity)
                continue
            if new is not None and identity in old and not looked[turn]:
                self.files.extend(identity, new.lines)
                continue
            there = self.files.lines(identity) if identity in old else []
            if gone:
                there = [line for begin, line in by_run(there).items() if begin not in dropped]
            if new is not None:
                there += new.lines
            if not there:
                self.files.drop(identity)
                self.manifest.cases.pop(identity, None)
                continue
            if new is not None:
                self.manifest.cases[identity] = new.parts()
            kept = [mark for mark in self.files.marks(identity) if mark["run"] not in again[turn] | gone]
            self.files.write(identity, there, [*kept, *marks(there, looked[turn], self.primary)])
            if gone:
                newest.add_lines(identity, there, self.primary)
        if not gone:
            for run, layout in sorted(self.read, key=lambda row: row[0].time, reverse=True):
                newest.add(run.number, layout.keys)

    def _pages(self, places: Places, newest: Newest) -> None:
        recorded = Recorded(self.results, self.heads)
        told = [shown(recorded, runs, self.manifest, self.files, self.index, self.metrics) for runs in places]
        runs = self.manifest.runs
        alive, here = {run.digest for run in runs}, {place_key(there[0].place) for there in places}
        green, pages = self.manifest.green, self.manifest.shown
        self.manifest.green = {digest: green[digest] for digest in green if digest in alive}
        self.manifest.shown = {key: pages[key] for key in pages if key in here}
        cases = [[identity, *parts] for identity, parts in self.manifest.cases.items()]
        data = {
            "changes": {"built": time.time(), "places": [one["landing"] for one in told]},
            "machines": [one["machine"] for one in told],
            "cases": sorted(cases, key=lambda row: row[1]),
            "runs": {**runs_json(runs, self.primary, newest), "late": self.files.write_late()},
        }
        for name, content in data.items():
            (self.stage / f"data/{name}.js").write_text(script(name, content), encoding="utf-8")
        write_pages(self.stage)
