"""Reports for programs: JSON and CSV."""

from __future__ import annotations

import io
import json
import math

import pandas as pd
import pytest
from make_runs import a_case, a_run, example, failed, measured
from report_rigs import DIFFERENCE, HOSTILE, assert_golden, hostile, some_verdicts, strict

from dsbench.records import Measurement, Run, Sample, Status, Work
from dsbench.reports import render, render_verdicts


def small() -> Run:
    """A run whose numbers need no rounding, for a golden file of exact numbers."""
    case = a_case("math", N=1024)
    memory = measured(case, "memory", {"peak_memory": [[4096.0]]})
    latency = measured(
        case, "latency", {"latency": [[0.5, 0.25, 1.0]]}, Work(flops=8.0, bytes=2.0), mark="hot"
    )
    crash = failed(
        a_case("flash", N=1024), "latency", Status.CRASHED, "the worker died of SIGSEGV", "last line"
    )
    planned = ("attention.prefill.math[N=1024]", "attention.prefill.flash[N=1024]", "attention.prefill.late")
    return a_run([latency, memory, crash], planned=planned, ended=None)


def test_a_run_as_json_is_what_it_was() -> None:
    text = json.dumps(strict(render(small(), "json")), indent=1) + "\n"
    assert_golden("report.json", text)


def test_verdicts_as_json_are_what_they_were() -> None:
    text = render_verdicts(some_verdicts(), "json", exit_code=4, difference=DIFFERENCE)
    assert_golden("verdicts.json", json.dumps(strict(text), indent=1) + "\n")


def test_json_holds_every_sample_and_survives_hostile_text() -> None:
    run = example()
    document = strict(render(run, "json"))
    assert [len(m["readings"].get("latency", ())) for m in document["measurements"]] == [
        len(m.readings.get("latency", ())) for m in run.measurements
    ]
    assert strict(render(hostile(), "json"))["id"] == HOSTILE[1]


def test_json_refuses_a_number_that_it_cannot_hold() -> None:
    bad = Measurement(a_case(), "error", Status.OK, readings={"error": (Sample(math.nan, 0),)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(a_run([bad]), "json")


def test_csv_has_one_row_a_case_and_metric_and_one_column_an_axis() -> None:
    frame = pd.read_csv(io.StringIO(render(example(), "csv")), keep_default_na=False, dtype=str)
    before = ["run", "machine", "backend", "device", "commit", "suite", "benchmark", "candidate"]
    after = ["probe", "metric", "unit", "value", "low", "high", "status", "reason"]
    assert list(frame.columns) == [*before, "N", "D", *after]
    flash = frame[(frame.candidate == "flash") & (frame.N == "1024") & (frame.D == "64")]
    assert list(flash.metric) == ["latency", "latency_cold", "throughput", "error", ""]
    assert list(flash.unit)[:4] == ["s", "s", "FLOP/s", "1"]
    assert float(flash.value.iloc[3]) == 3.4e-4
    assert list(flash.status) == ["ok"] * 4 + ["unsupported"]


def test_whole_numbers_stay_whole_in_csv_where_another_benchmark_lacks_the_axis() -> None:
    frame = pd.read_csv(io.StringIO(render(example(), "csv")), keep_default_na=False, dtype=str)
    assert set(frame.N) == {"1024", "4096", "16384", ""}


def test_an_axis_named_like_another_column_does_not_replace_it() -> None:
    run = a_run([measured(a_case(metric="l2", N=1), "error", {"error": [[0.5]]})])
    frame = pd.read_csv(io.StringIO(render(run, "csv")))
    assert (frame.metric[0], frame.axis_metric[0]) == ("error", "l2")


def test_hostile_text_comes_back_from_csv_as_it_was() -> None:
    harmless = [text for text in HOSTILE if "\ud800" not in text and "\x00" not in text]
    run = a_run(failed(a_case(text), "latency", Status.ERROR, text) for text in harmless)
    frame = pd.read_csv(io.StringIO(render(run, "csv")), keep_default_na=False)
    assert list(frame.reason) == harmless
