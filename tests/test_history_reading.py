"""Reading the numbers of a run without making objects of its samples."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from make_runs import a_run, example, measured
from site_rigs import a_night, put

from dsbench.history.reading import Heads, lines, numbers
from dsbench.metrics import METRICS
from dsbench.records import Case, Run
from dsbench.stats.intervals import Estimate


def test_reading_the_numbers_alone_gives_the_numbers_of_the_whole_run(tmp_path: Path) -> None:
    run = example()
    path = put(run, tmp_path)
    read = lines(path, path.read_bytes(), Heads())
    found = numbers(path, read)
    whole = Run.from_lines(path.read_text(encoding="utf-8").split("\n"))
    assert read.run == replace(whole, measurements=())
    assert [read.measurement(number) for number in range(len(read.heads))] == list(whole.measurements)
    for head, metrics, measurement in zip(read.heads, found.metrics, whole.measurements, strict=True):
        assert head == (measurement.case, measurement.case.name, *head[2:])
        wanted = {m.name: m.of(measurement) for m in METRICS.values() if m.primary and m.probe == head.probe}
        got = {name: Estimate(*ends) for name, *ends in metrics}
        assert got.keys() == {name for name, estimate in wanted.items() if estimate is not None}
        for name, estimate in got.items():
            assert math.isclose(estimate.value, wanted[name].value, rel_tol=1e-9)  # type: ignore[union-attr]
    samples = [s for m in whole.measurements for some in m.readings.values() for s in some]
    assert found.samples == len(samples)
    assert sum(found.disturbed.values()) == sum(bool(sample.mark) for sample in samples)


def test_a_run_whose_lines_have_another_order_is_read_all_the_same(tmp_path: Path) -> None:
    path = put(a_night(0), tmp_path)
    wanted = lines(path, path.read_bytes(), Heads())
    turned = [json.dumps(dict(reversed(json.loads(line).items()))) for line in path.read_text().splitlines()]
    measured = [f'{{"type":"measurement",{line[1:]}' for line in turned[1:-1]]
    found = lines(path, "\n".join([turned[0], *measured, turned[-1]]).encode(), Heads())
    assert found == wanted
    assert numbers(path, found) == numbers(path, wanted)


def test_an_axis_may_be_called_like_a_part_of_the_record(tmp_path: Path) -> None:
    point = (("N", 1), ("readings", 2), ("work", '},"work":{'), ("probe", 3))
    case = Case("s", "b", "c", point)
    text = ',"readings":{"latency":[[1,0,1]]},"work":{'
    run = a_run([measured(case, "latency", {"latency": [[1.0], [2.0]]}, unstable=text, mark=text)])
    path = put(run, tmp_path)
    read = lines(path, path.read_bytes(), Heads())
    assert (read.heads[0].case, read.heads[0].reason) == (case, text)
    assert numbers(path, read).metrics[0][0][1] == pytest.approx(2**0.5)
