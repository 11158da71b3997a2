"""Series that asv itself recorded, in its own result files without a side-car of ours.

asv does not store why a benchmark has no number, nor which way a `track_` is good, so that only times and
peak memory are read. The candidate is called ``asv``, since a benchmark has no other.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dsbench.history.recall import Point, Series
from dsbench.records import Case, Status
from dsbench.stats.intervals import Estimate

METRIC_OF = {"time": "latency", "timeraw": "latency", "peakmem": "peak_memory"}
"""Our metric for what asv measures, by the beginning of the function's name."""

Key = tuple[str, str, str, str, int, tuple[str, ...]]
"""Machine, environment, device, benchmark, version, and the values of its parameters as asv writes them."""


def asv_series(results: Path) -> tuple[list[Series], list[str]]:
    """What asv recorded in a folder of results, oldest point first.

    Returns:
        The series, and a line for each file that asv cannot read; nothing where every file is ours.
    """
    paths = [
        path
        for path in sorted(results.glob("*/*.json"))
        if path.name != "machine.json" and "-dsbench-" not in path.name
    ]
    if not paths:
        return [], []
    from asv.results import Results
    from asv.util import UserError

    points: dict[Key, list[Point]] = {}
    problems: list[str] = []
    versions: dict[str, list[str]] = {}
    for path in paths:
        try:
            loaded = Results.load(str(path), machine_name=path.parent.name)
        except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{path}: asv cannot read it: {error}")
            continue
        for name in loaded.get_all_result_keys():
            known = versions.setdefault(name, [])
            version = str(loaded.benchmark_version.get(name))
            known += [] if version in known else [version]
            where = path.parent.name, loaded.env_name, str(loaded.params.get("cpu", ""))
            for values, point in _points(loaded, name):
                points.setdefault((*where, name, known.index(version) + 1, values), []).append(point)
    names = _parameter_names(results)
    found = []
    for (machine, environment, device, name, number, values), taken in points.items():
        metric = METRIC_OF.get(name.rpartition(".")[2].partition("_")[0])
        if metric:
            suite, _, benchmark = name.partition(".")
            axes = names.get(name) or map(str, range(len(values)))
            at = tuple((axis, value.strip("'")) for axis, value in zip(axes, values, strict=False))
            ordered = tuple(sorted(taken, key=lambda point: point.commit_time))
            case = Case(suite, benchmark, "asv", at, number)
            found.append(Series(machine, environment, device, case, metric, ordered))
    return found, problems


def _points(loaded: Any, name: str) -> Iterator[tuple[tuple[str, ...], Point]]:
    """A benchmark's values in one of asv's files, by the values of its parameters."""
    parameters = loaded.get_result_params(name)
    values = loaded.get_result_value(name, parameters)
    for combination, value in zip(itertools.product(*parameters), values, strict=True):
        number = value is not None and math.isfinite(value)
        status = Status.OK if number else Status.ERROR if value is None else Status.UNSUPPORTED
        reason = "" if number else "asv recorded no number" if value is None else "skipped"
        estimate = Estimate(value) if number else None
        yield (
            combination,
            Point(loaded.commit_hash, loaded.date / 1000, estimate, status, reason, ""),
        )


def _parameter_names(results: Path) -> dict[str, list[str]]:
    try:
        entries = json.loads((results / "benchmarks.json").read_bytes())
        return {name: entry["param_names"] for name, entry in entries.items() if isinstance(entry, dict)}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}
