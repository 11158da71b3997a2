"""Records keep what they are given, refuse what makes no sense, and survive a cut-off file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from make_runs import example

from dsbench.records import Case, Measurement, Run, Sample, Status, dump, merge_rounds

CASE = Case("attention", "prefill", "sdpa", (("N", 256), ("dtype", "float32"), ("causal", True)))


def test_a_full_name_holds_suite_benchmark_candidate_and_point() -> None:
    assert CASE.name == "attention.prefill.sdpa[N=256,dtype=float32,causal=True]"
    assert Case("a", "b", "c").name == "a.b.c"


def test_a_run_comes_back_from_its_lines_with_six_digits_of_each_reading() -> None:
    run = example()
    again = Run.from_lines(run.lines())
    assert Run.from_lines(again.lines()) == again
    assert replace(again, measurements=()) == replace(run, measurements=())
    for before, after in zip(run.measurements, again.measurements, strict=True):
        assert (after.case, after.status, after.reason) == (before.case, before.status, before.reason)
        for name, samples in before.readings.items():
            values = [sample.value for sample in samples]
            assert [s.value for s in after.readings[name]] == pytest.approx(values, rel=1e-5)


def test_a_last_line_that_was_cut_off_is_passed_over() -> None:
    run = example()
    lines = [*run.lines()[:3], run.lines()[3][:40]]
    assert len(Run.from_lines(lines).measurements) == 2


def test_a_broken_line_in_the_middle_is_named() -> None:
    lines = example().lines()
    lines[2] = lines[2][:40]
    with pytest.raises(ValueError, match="line 3 cannot be read"):
        Run.from_lines(lines)


@pytest.mark.parametrize("lines", [[], ["{}"], ["[1]"], ['{"type":"measurement"}']])
def test_what_is_no_run_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"line 1 cannot be read|no header of a run"):
        Run.from_lines(lines)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump({"value": value})


def test_the_status_decides_which_fields_exist() -> None:
    sample = {"latency": (Sample(1.0, 0),)}
    with pytest.raises(ValueError, match="needs readings"):
        Measurement(CASE, "latency", Status.OK)
    with pytest.raises(ValueError, match="has no readings"):
        Measurement(CASE, "latency", Status.OOM, "too large", readings=sample)
    with pytest.raises(ValueError, match="needs a reason"):
        Measurement(CASE, "latency", Status.UNSTABLE, readings=sample)


def test_rounds_are_joined_and_each_sample_remembers_its_own() -> None:
    one = Measurement(CASE, "latency", Status.OK, readings={"latency": (Sample(1.0, 0),)})
    two = replace(one, readings={"latency": (Sample(2.0, 1),), "latency_cold": (Sample(3.0, 1),)})
    (merged,) = merge_rounds([one, two])
    assert merged.readings == {
        "latency": (Sample(1.0, 0), Sample(2.0, 1)),
        "latency_cold": (Sample(3.0, 1),),
    }


def test_a_case_that_fails_in_one_round_has_failed() -> None:
    fine = Measurement(CASE, "latency", Status.OK, readings={"latency": (Sample(1.0, 0),)})
    bad = Measurement(CASE, "latency", Status.CRASHED, "died")
    for order in ([fine, bad, fine], [bad, fine], [fine, bad]):
        (merged,) = merge_rounds(order)
        assert merged == bad


def test_a_mark_stays_with_its_sample() -> None:
    marked = Measurement(
        CASE, "latency", Status.OK, readings={"latency": (Sample(1.0, 0, 4, "throttled"), Sample(2.0, 0))}
    )
    assert Measurement.from_json(json.loads(dump(marked.to_json()))) == marked


def test_a_foreign_file_with_a_number_that_json_cannot_hold_is_refused() -> None:
    lines = example().lines()
    lines[1] = lines[1].replace('"round":', '"round":NaN,"x":', 1).replace('"detail":""', '"detail":NaN', 1)
    with pytest.raises(ValueError, match="line 2 cannot be read"):
        Run.from_lines(lines)
