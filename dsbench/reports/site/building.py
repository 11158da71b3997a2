"""Building the site: what is new is read, what is old is kept, and the whole takes the old site's place."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.history.reading import Heads, Row, numbers
from dsbench.history.sidecar import HistoryError, read
from dsbench.metrics import METRICS, Metric
from dsbench.records import Case, Run
from dsbench.reports.site import inputs
from dsbench.reports.site.changed import changes
from dsbench.reports.site.files import (
    CaseFiles,
    case_id,
    line_of,
    link,
    number_of,
    numbers_of,
    run_file,
    script,
)
from dsbench.reports.site.inputs import Manifest, Stored, stored
from dsbench.reports.site.landing import place_json
from dsbench.reports.site.machines import machine_json
from dsbench.reports.site.marks import due, marks
from dsbench.reports.site.pages import write_pages
from dsbench.reports.site.runs import Habits, Touched, runs_json, see_newest


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


class _Build:
    def __init__(self, results: Path, site: Path, stage: Path, metrics: Mapping[str, Metric]) -> None:
        self.results, self.site, self.stage, self.metrics = results, site, stage, metrics
        primary = [metric.name for metric in metrics.values() if metric.primary]
        self.index = {name: number for number, name in enumerate(primary)}
        self.manifest = Manifest.read(site, inputs.made_by(primary))
        self.files = CaseFiles(site if self.manifest.runs else None, stage)
        self.problems: list[str] = []
        self.heads: Heads = {}
        self.known: dict[str, Touched] = {}
        self.read: list[tuple[Run, dict[str, Case]]] = []
        (stage / "data" / "run").mkdir(parents=True)

    def make(self) -> Built:
        found = inputs.difference(self.results, self.manifest)
        runs = list(found.kept)
        for run in runs:
            name = f"data/run/{run.number}.js"
            link(self.site / name, self.stage / name)
        free = 1 + max((run.number for run in self.manifest.runs), default=0)
        for key, path in found.fresh.items():
            one = self._read(key, path, free)
            if one is not None:
                runs.append(one)
                free += 1
        if not runs:
            told = self.problems[0] if self.problems else f"nothing is recorded under {self.results}"
            raise EmptyError(f"{told}: a full `dsbench run` of a clean commit records it")
        runs.sort(key=lambda run: (run.time, run.number))
        self._cases(runs, found.gone)
        self.manifest.runs = runs
        self._pages(runs)
        self.manifest.write(self.stage)
        return Built(self.site, len(runs), len(found.fresh), self.problems)

    def _read(self, key: str, path: Path, number: int) -> Stored | None:
        try:
            content = path.read_bytes()
            modified = path.stat().st_mtime_ns
            found = numbers(path, content, self.metrics, self.heads)
        except (HistoryError, OSError) as error:
            self.problems.append(str(error))
            return None
        measured: list[str] = []
        cases: dict[str, Case] = {}
        flats: dict[str, str] = {}
        ended: dict[str, list[Row]] = {}
        for row in found.rows:
            name = row.name
            known = self.known.get(name) or self._meet(row)
            flat = numbers_of(row, self.index)
            measured.append(f'"{known.identity}",{flat}')
            before = flats.get(name)
            flats[name] = f"{before},{flat}" if before and flat else before or flat
            cases[name] = row.case
            if row.status != "ok":
                ended.setdefault(name, []).append(row)
        (self.stage / f"data/run/{number}.js").write_bytes(run_file(number, found, measured))
        for name, flat in flats.items():
            self.known[name].lines.append(line_of(number, cases[name].version, flat, ended.get(name, ())))
        self.read.append((found.run, cases))
        return stored(key, number, content, modified, found, len(cases))

    def _meet(self, row: Row) -> Touched:
        return self.known.setdefault(row.name, Touched(case_id(row.case)))

    def _cases(self, runs: Sequence[Stored], gone: frozenset[int]) -> None:
        """Writes the files of the cases that a new run or a dropped one touches, and keeps the others."""
        see_newest(self.read, self.known)
        shown = [self.metrics[name] for name in self.index]
        touched = {one.identity: one for one in self.known.values()}
        for identity in dict.fromkeys((*self.files.known(), *touched)):
            new = touched.get(identity)
            if not gone and new is None:
                self.files.keep(identity)
                continue
            header, body = self.files.read(identity)
            if gone:
                kept = [line for line in body.splitlines(keepends=True) if number_of(line) not in gone]
                body = "".join(kept)
            if new is not None:
                body += "".join(new.lines)
            if not body:
                self.manifest.cases.pop(identity, None)
                continue
            if new is not None:
                header = new.header(header)
                if "marks" not in header or due(identity, body.count("\n"), len(touched)):
                    header["marks"] = marks(new.case, body.splitlines(), runs, shown)
            self.files.write(identity, header, body)
            parts = ("name", "suite", "benchmark", "candidate", "at")
            self.manifest.cases[identity] = [header[part] for part in parts]

    def _pages(self, runs: Sequence[Stored]) -> None:
        places: dict[tuple[str, str, str], list[Stored]] = {}
        for run in runs:
            places.setdefault(run.place, []).append(run)
        order = sorted(places)
        landing, machines = [], []
        for here in (places[place] for place in order):
            habit = Habits(self.files, here, self.index)
            found = changes(self.results, here, self.manifest.green, habit)
            landing.append(place_json(found, here, self.files, self.index, self.metrics))
            newest = read(self.results / f"{here[-1].key}.jsonl")
            machines.append(machine_json(self.results, newest, here))
        alive = {run.digest for run in runs}
        green = self.manifest.green
        self.manifest.green = {key: green[key] for key in green if key.partition(" ")[0] in alive}
        cases = [[identity, *parts] for identity, parts in self.manifest.cases.items()]
        shown = {
            "changes": {"built": time.time(), "places": landing},
            "machines": machines,
            "cases": sorted(cases, key=lambda row: row[1]),
            "runs": runs_json(runs, [self.metrics[name] for name in self.index]),
        }
        for name, content in shown.items():
            (self.stage / f"data/{name}.js").write_text(script(name, content), encoding="utf-8")
        write_pages(self.stage)
