"""The data of the page about machines: noise, ceilings, the roofline and disturbance over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from dsbench import ceilings
from dsbench.metrics import METRICS, by_round, evaluate
from dsbench.records import Measurement, Run
from dsbench.reports.site.files import case_id, text
from dsbench.reports.site.inputs import Stored
from dsbench.stats.detectable import smallest_change
from dsbench.stats.intervals import variance

LATENCY = METRICS["latency"]


def machine_json(
    results: Path, run: Run, measured: Sequence[Measurement], runs: Sequence[Stored]
) -> dict[str, Any]:
    """A place: what was measured last says of noise and of the roofline, and how its runs were disturbed.

    Args:
        results: the folder of the history, which holds what the device can do at best.
        run: the newest run of the place.
        measured: the newest measurements of each case, of this run and of those before.
        runs: all of them, by the time of their commits.
    """
    planned = {name: order for order, name in enumerate(run.planned)}
    measured = sorted(measured, key=lambda m: planned.get(m.case.name, len(planned)))
    timed = [m for m in measured if m.readings.get(LATENCY.reading)]
    places = _candidates(measured)
    spread = [found for m in timed if (found := _between(m)) is not None]
    rounds = max((len(by_round(m.readings[LATENCY.reading])) for m in timed), default=0)
    between = median(spread) if spread else None
    where = run.environment
    return {
        "run": runs[-1].number,
        "environment": _facts(run),
        "rounds": rounds,
        "between": between,
        "smallest": None if between is None else smallest_change(between, rounds, paired=False),
        "ceilings": _ceilings(results, run),
        "roofline": [point for m in timed if (point := _place(m, places)) is not None],
        "over_time": [[one.number, one.noise, sum(one.disturbed.values()), one.samples] for one in runs],
        "causes": {text(cause): count for cause, count in runs[-1].disturbed.items()},
        "device": text(where.device.name),
    }


def _between(measurement: Measurement) -> float | None:
    """The standard deviation over rounds of the logarithm of their medians."""
    medians = [median(values) for values in by_round(measurement.readings[LATENCY.reading])]
    if len(medians) < 2 or min(medians) <= 0:
        return None
    return math.sqrt(variance([math.log(one) for one in medians]))


def _candidates(measured: Sequence[Measurement]) -> dict[tuple[str, str, str], int]:
    """Each candidate's place in its benchmark, which its colour comes from."""
    places: dict[tuple[str, str, str], int] = {}
    counts: dict[tuple[str, str], int] = {}
    for m in measured:
        benchmark = (m.case.suite, m.case.benchmark)
        key = (*benchmark, m.case.candidate)
        if key not in places:
            places[key] = counts.get(benchmark, 0)
            counts[benchmark] = places[key] + 1
    return places


def _place(measurement: Measurement, places: Mapping[tuple[str, str, str], int]) -> list[Any] | None:
    """A case on the roofline: operations a byte, operations a second, share of the binding ceiling, and its
    candidate's place in its benchmark."""
    work, latency = measurement.work, LATENCY.of(measurement)
    if not work.flops or not work.bytes or latency is None or latency.value <= 0:
        return None
    reached = evaluate(measurement).get("roofline")
    case = measurement.case
    return [
        case_id(case),
        text(case.name),
        text(case.candidate),
        work.dtype,
        work.flops / work.bytes,
        work.flops / latency.value,
        reached and reached.value,
        work.bound,
        places[case.suite, case.benchmark, case.candidate],
    ]


def _ceilings(results: Path, run: Run) -> Mapping[str, Any] | None:
    """As measured when the run was made, else as measured last."""
    told = run.settings.get("ceilings")
    if told:
        return {"flops": dict(told["flops"]), "bandwidth": told["bandwidth"]}
    try:
        found = ceilings.read(results, run.environment)
    except ValueError:
        return None
    return None if found is None else {"flops": dict(found.flops), "bandwidth": found.bandwidth}


def _facts(run: Run) -> list[list[Any]]:
    where, device = run.environment, run.environment.device
    facts = {
        "device": f"{device.name} ({device.backend} {device.index})",
        "driver": device.driver,
        "operating system": where.os,
        "cpu": f"{where.cpu}, {where.cores} cores",
        "python": where.python,
        **device.versions,
        **where.versions,
    }
    sizes = {"memory": where.memory, "device memory": device.memory, "device cache": device.cache}
    return [[text(name), text(value)] for name, value in facts.items() if value] + [
        [name, size] for name, size in sizes.items() if size
    ]
