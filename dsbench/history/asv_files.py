"""A run as asv's files (format version 2), written by asv's own classes. Besides `foreign` and `steps`, the
only module that imports asv.

asv's classes are not documented as public; ``tests/test_history.py`` holds them to what is used here.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine
from asv.results import Results
from asv.runner import BenchmarkResult
from asv.util import UserError, load_json
from asv_runner.statistics import quantile

from dsbench.history.recall import recorded
from dsbench.history.sidecar import path_of, unreadable
from dsbench.history.values import asked, values
from dsbench.metrics import REFERENCE, Metric, by_round
from dsbench.records import Case, Environment, Measurement, Run, Sample
from dsbench.stats.intervals import Estimate, of_rounds

UNITS = {"s": "seconds", "J": "joules", "B": "bytes", "1": "unit"}
"""asv's names for units; it shows any other unit as it is."""

Entry = dict[str, Any]
"""A benchmark as benchmarks.json describes it."""


@dataclass(frozen=True)
class Table:
    """One asv benchmark of a run: one metric of one benchmark, the candidates and axes as parameters;
    `values`, `samples` and `statistics` have an item for each combination, None where there is none."""

    entry: Entry
    values: list[float | None]
    samples: list[list[float] | None]
    statistics: list[dict[str, float] | None]


def texts(run: Run, results: Path, metrics: Mapping[str, Metric]) -> dict[Path, str]:
    """What asv's files must hold once the run is recorded, joined with what they hold now.

    Returns:
        Text in strict JSON by path, for the files that change.

    Raises:
        HistoryError: a file that is there cannot be read.
        OSError: a file cannot be opened.
    """
    tables = _tables(run, metrics)
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        _save_benchmarks(tables, results, stage, metrics)
        _save_results(run, tables, _save_machine(run.environment, results, stage), results, stage)
        return {
            results / path.relative_to(stage): _strict(path.read_text(encoding="utf-8"))
            for path in sorted(stage.rglob("*.json"))
        }


def _strict(text: str) -> str:
    """The same JSON with null for NaN and Infinity, which asv writes as they are."""
    constants: list[str] = []
    data = json.loads(text, parse_constant=constants.append)  # append returns None: null
    return json.dumps(data, allow_nan=False) if constants else text


def _tables(run: Run, metrics: Mapping[str, Metric]) -> list[Table]:
    remembered = asked(run.measurements, metrics)
    groups: dict[tuple[str, str, str], list[tuple[Measurement, Estimate | None]]] = {}
    for measurement in run.measurements:
        for metric, estimate in values(measurement, remembered):
            key = (measurement.case.suite, measurement.case.benchmark, metric.name)
            groups.setdefault(key, []).append((measurement, estimate))
    return [_table(".".join(key), metrics[key[2]], rows) for key, rows in groups.items()]


def _table(name: str, metric: Metric, rows: Sequence[tuple[Measurement, Estimate | None]]) -> Table:
    # asv shows one workload under a name: the newest version, with the axes it was last measured with.
    version = max(m.case.version for m, _ in rows)
    axes = [tuple(m.case.at) for m, _ in rows if m.case.version == version][-1]
    # A ratio is to a revision: another one is another parameter, and so another line in asv's plot.
    extra = [REFERENCE] if metric.probe == REFERENCE else []
    found = {
        (*_parameters(m.case), *(repr(m.notes[name]) for name in extra)): (
            m.readings.get(metric.reading, ()),
            estimate,
        )
        for m, estimate in rows
        if m.case.version == version and tuple(m.case.at) == axes
    }
    parameters = [list(dict.fromkeys(column)) for column in zip(*found, strict=True)]
    entry: Entry = {
        "name": name,
        "params": parameters,
        "param_names": ["candidate", *axes, *extra],
        "unit": UNITS.get(metric.unit, metric.unit),
        "type": "time" if metric.unit == "s" else "track",
        "version": str(version),
        "direction": metric.direction,  # dsbench's own key; asv carries it into its site's index.json
        "code": metric.meaning,
    }
    cells = [found.get(point, ((), None)) for point in itertools.product(*parameters)]
    return Table(
        entry,
        values=[None if estimate is None else estimate.value for _, estimate in cells],
        samples=[[sample.value for sample in samples] or None for samples, _ in cells],
        statistics=[_statistics(samples, estimate) for samples, estimate in cells],
    )


def _parameters(case: Case) -> tuple[str, ...]:
    # asv's site takes parameters for Python's repr: it shows 'flash' without quotes and sorts numbers.
    return (repr(case.candidate), *(repr(value) for _, value in case.point))


def _statistics(samples: Sequence[Sample], estimate: Estimate | None) -> dict[str, float] | None:
    """asv's statistics of a value, None where asv has no place for what is known.

    asv's field is a 99 % interval of the value, and a metric's is a 95 % one, so it is taken again, over
    rounds as always. asv would take the samples of one process for independent ones and state a far
    narrower interval. A value that is not the typical reading (a maximum) has no such interval, and asv
    fails on statistics that lack one.
    """
    rounds = by_round(tuple(samples))
    if estimate is None or estimate != of_rounds(rounds):
        return None
    wide = of_rounds(rounds, confidence=0.99)
    if wide.low is None or wide.high is None:
        return None
    numbers = [sample.value for sample in samples]
    return {
        "ci_99_a": wide.low,
        "ci_99_b": wide.high,
        "q_25": quantile(numbers, 0.25),
        "q_75": quantile(numbers, 0.75),
        "repeat": len(numbers),
        "number": samples[0].calls,
    }


def _save_benchmarks(
    tables: Sequence[Table], results: Path, stage: Path, metrics: Mapping[str, Metric]
) -> None:
    config = Config()
    config.results_dir = str(results)
    path = Path(Benchmarks.get_benchmark_file_path(config.results_dir))
    if path.exists():
        with _reading(path):
            known: dict[str, Entry] = dict(Benchmarks.load(config))
            for table in tables:
                _join(known, table.entry)
    else:  # made again from every run, so that deleting the file, after a merge conflict say, loses nothing
        known = {}
        for table in [table for run in recorded(results)[0] for table in _tables(run, metrics)] + [*tables]:
            _join(known, table.entry)
    config.results_dir = str(stage)
    Benchmarks(config, known.values()).save()


def _join(known: dict[str, Entry], new: Entry) -> None:
    """Adds an entry to the known ones; one of the same workload gets the parameter values of both."""
    name = new["name"]
    old = known.get(name, new)
    if int(old["version"]) > int(new["version"]):
        return
    if (old["version"], old["param_names"]) == (new["version"], new["param_names"]):
        both = zip(old["params"], new["params"], strict=True)
        new = {**new, "params": [list(dict.fromkeys((*before, *after))) for before, after in both]}
    known[name] = new


def _save_machine(environment: Environment, results: Path, stage: Path) -> dict[str, str]:
    """The machine's facts, as first recorded: they are a part of every series' identity in asv, so that a
    new kernel would start them all anew. What each run really ran on lies in its side-car."""
    path = results / environment.machine / "machine.json"
    if path.exists():
        with _reading(path):
            return dict(load_json(str(path), Machine.api_version))
    facts = {
        "machine": environment.machine,
        "os": environment.os,
        "cpu": environment.cpu,
        "num_cpu": str(environment.cores),
        "ram": str(environment.memory),
    }
    machine = Machine()  # not `Machine.load`, which writes into the user's home
    vars(machine).update(facts)
    machine.save(str(stage))
    return facts


def _save_results(
    run: Run, tables: Sequence[Table], facts: Mapping[str, str], results: Path, stage: Path
) -> None:
    environment, device = run.environment, run.environment.device
    assert environment.commit_time is not None  # `path_of` has seen to it
    python = ".".join(environment.python.split(".")[:2])
    # Whatever changes here starts new series: the same things as in `recall.Series`, and no versions.
    identity = {**facts, "backend": device.backend, "device": device.name, "python": python}
    store = Results(
        params=dict(sorted(identity.items())),
        requirements={
            **environment.versions,
            **device.versions,
            "driver": device.driver,
            "python": environment.python,
        },
        commit_hash=environment.commit,
        date=int(environment.commit_time * 1000),
        python=python,
        env_name=environment.name,
        env_vars={},
    )
    with _reading(path_of(run, results).with_suffix(".json")):
        store.load_data(str(results))
    for table in tables:
        outcome = BenchmarkResult(
            result=table.values,
            samples=table.samples,
            number=[None] * len(table.values),  # keeps asv from putting its own median over the value
            errcode=0,
            stderr="",
            profile=None,
        )
        started = datetime.fromtimestamp(run.started, UTC)
        store.add_result(table.entry, outcome, started_at=started, record_samples=True)
        if any(table.statistics):
            store._stats[table.entry["name"]] = table.statistics  # there is no other way to bring them
    store.save(str(stage))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what asv raises on a damaged file into one line."""
    try:
        yield
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, f"asv cannot read it ({str(error).splitlines()[0]})") from None
