"""What a report says of a run as a whole."""

from __future__ import annotations

from make_runs import a_case, a_run, around, example, measured

from dsbench.records import Run, Work
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
    assert "quick points: not recorded in the history; run without --quick to record" in text
