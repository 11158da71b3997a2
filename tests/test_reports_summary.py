"""What a report says of a run as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from make_runs import a_case, a_run, around, example, measured

from dsbench.records import Measurement, Run, Scalar, Status, Work
from dsbench.reports.rows import groups
from dsbench.reports.summary import warnings


def said(run: Run) -> str:
    return "\n".join(warnings(run, groups(run)))


def test_a_run_without_doubts_has_no_warnings() -> None:
    assert said(a_run([measured(a_case(), "latency", {"latency": around(1e-3)})])) == ""


def test_a_call_above_its_ceiling_casts_doubt_on_the_formula_or_the_ceiling() -> None:
    def at(floor: float) -> str:
        work = Work(1.0, 1.0, "float32", floor, "compute")
        return said(a_run([measured(a_case(), "latency", {"latency": around(1e-3)}, work)]))

    assert at(1.0e-3) == ""
    text = at(1.5e-3)
    assert "1 case above the measured ceiling, attention.prefill.math most (15" in text
    assert text.endswith("measure the ceilings again, dsbench doctor --ceilings")


def test_every_warning_says_what_to_do() -> None:
    cut = example(
        planned=("attention.prefill.late",),
        ended=None,
        settings={"quick": True},
        suite_errors={"vision": "SyntaxError: x"},
    )
    text = said(cut)
    assert "suite vision could not be imported: SyntaxError: x; correct it and run again" in text
    assert "1 planned case not measured, attention.prefill.late first: the run was cut off" in text
    assert "dsbench run --resume goes on" in text
    assert "1 case did not settle: try a longer --min-time or a quieter machine" in text
    assert "2 of 512 samples were disturbed (2 × clock … of … MHz): see that nothing else" in text
    assert "quick points: in the history only with --record; run without --quick for the full ones" in text


def leak(low: float, files: float = 0.0, status: Status = Status.OK, **notes: Scalar) -> Measurement:
    """A measurement of the probe `leak` in two rounds, of which the second found most."""
    readings = {
        "leak_slope": [[0.0], [low + 8]],
        "leak_low": [[0.0], [low]],
        "leak_high": [[0.0], [low + 16]],
        "leak_files": [[0.0], [files]],
    }
    reason = "" if status is Status.OK else "growth slows down"
    found = measured(a_case(), "leak", readings, unstable=reason)
    return replace(found, notes={"verdict": "clean", "budget": 256.0, **notes})


def test_a_leak_in_any_round_is_named_with_its_line() -> None:
    assert said(a_run([leak(1000.0, leak_at_1="train.py:31: 1,008 B a step (tensors)")])) == (
        "1 case leaking, attention.prefill.math most at train.py:31: 1,008 B a step (tensors): "
        "docs/memory-leaks.md leads from here to the line"
    )
    assert "1 case leaking" in said(a_run([leak(0.0, files=1.0)]))


@pytest.mark.parametrize(
    "found",
    [leak(100.0), leak(1000.0, declared=1000.0), leak(1000.0, verdict="unknown")],
    ids=["within its budget", "declared", "one call"],
)
def test_what_is_no_leak_is_not_warned_of(found: Measurement) -> None:
    assert said(a_run([found])) == ""


def test_growth_that_is_not_settled_is_unstable_and_no_leak() -> None:
    assert "leaking" not in said(a_run([leak(1000.0, status=Status.UNSTABLE)]))


def test_cases_say_why_their_device_was_not_busier_up_to_five_of_them() -> None:
    def busy(number: int) -> Measurement:
        found = measured(a_case(f"c{number}", N=8), "utilisation", {"call": [[1e-3]], "device_busy": [[0.3]]})
        return replace(found, notes={"why": "waiting on the host"})

    (group,) = groups(a_run([busy(number) for number in range(7)]))
    assert group.notes()[0] == "c0 at N=8: waiting on the host"
    assert group.notes()[5:] == ["2 more such notes are in the JSON report"]
