"""Verdicts: every outcome, in both directions, and the exit code they lead to."""

from __future__ import annotations

import random

import pytest

from dsbench.gate import Outcome, Policy, Verdict, exit_code, is_green, judge, usual_change
from dsbench.records import Case, Measurement, Sample, Status

CASE = Case("suite", "bench", "candidate", (("N", 1),))


def latency(*rounds: float, case: Case = CASE) -> Measurement:
    samples = tuple(Sample(value, number) for number, value in enumerate(rounds))
    return Measurement(case, "latency", Status.OK, readings={"latency": samples})


def memory(*rounds: float) -> Measurement:
    samples = tuple(Sample(value, number) for number, value in enumerate(rounds))
    return Measurement(CASE, "memory", Status.OK, readings={"peak_memory": samples})


def failed(status: Status) -> Measurement:
    return Measurement(CASE, "latency", status, "because")


def leak(low: float, word: str = "leak", version: int = 1, **declared: float) -> Measurement:
    readings = {"leak_slope": low + 1, "leak_low": low, "leak_high": low + 2}
    case = Case("suite", "bench", "candidate", version=version)
    return Measurement(
        case,
        "leak",
        Status.OK,
        readings={name: (Sample(value, 0),) for name, value in readings.items()},
        notes={"verdict": word, "budget": 256.0, **declared},
    )


def outcome(new: Measurement | None, old: Measurement | None, **policy: float) -> Outcome:
    (verdict,) = judge([new] if new else [], [old] if old else [], Policy(**policy))
    return verdict.outcome


def test_a_clear_slow_down_is_worse_and_a_clear_speed_up_better() -> None:
    assert outcome(latency(1.2, 1.21, 1.19), latency(1.0, 1.01, 0.99)) is Outcome.WORSE
    assert outcome(latency(0.8, 0.81, 0.79), latency(1.0, 1.01, 0.99)) is Outcome.BETTER


def test_a_change_below_the_smallest_effect_is_the_same_however_sure_it_is() -> None:
    assert outcome(latency(1.02, 1.02, 1.02), latency(1.0, 1.0, 1.0)) is Outcome.SAME
    assert outcome(latency(1.02, 1.02, 1.02), latency(1.0, 1.0, 1.0), min_effect=0.01) is Outcome.WORSE


def test_noise_wider_than_the_margin_is_inconclusive() -> None:
    assert outcome(latency(0.8, 1.3, 1.1), latency(1.0, 0.7, 1.2)) is Outcome.INCONCLUSIVE


def test_a_single_round_has_no_spread_and_is_inconclusive() -> None:
    (verdict,) = judge([latency(1.5)], [latency(1.0)])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "--rounds" in verdict.reason


def test_a_series_that_usually_moves_more_raises_its_own_threshold() -> None:
    old, new = latency(1.0, 1.01, 0.99), latency(1.2, 1.21, 1.19)
    (verdict,) = judge([new], [old], usual={(CASE.name, "latency"): 0.3})
    assert verdict.outcome is Outcome.SAME
    assert verdict.threshold == 0.3


def test_deterministic_metrics_are_judged_by_tolerance_without_a_test() -> None:
    gib = float(2**30)
    assert outcome(memory(1.01 * gib), memory(gib)) is Outcome.SAME
    assert outcome(memory(1.10 * gib), memory(gib)) is Outcome.WORSE
    assert outcome(memory(0.90 * gib), memory(gib)) is Outcome.BETTER
    assert outcome(memory(2000.0), memory(1000.0)) is Outcome.SAME  # below what the instrument sees


def test_memory_that_wavers_between_rounds_differs_when_no_reading_lies_among_the_others() -> None:
    mib = float(2**20)
    old = memory(49 * mib, 50 * mib, 48 * mib)
    for new in (memory(32 * mib, 44 * mib, 52 * mib), memory(40 * mib, 44 * mib, 48 * mib)):
        (verdict,) = judge([new], [old])
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert "the readings of the two sides overlap" in verdict.reason
    assert outcome(memory(60 * mib, 52 * mib, 55 * mib), old) is Outcome.WORSE
    assert outcome(memory(32 * mib, 44 * mib, 40 * mib), old) is Outcome.BETTER


def test_something_from_nothing_is_worse_and_has_no_relative_change() -> None:
    (verdict,) = judge([memory(float(2**30))], [memory(0.0)])
    assert (verdict.outcome, verdict.change) == (Outcome.WORSE, None)


@pytest.mark.parametrize("status", [s for s in Status if s.failed])
def test_a_failure_is_broken_whether_it_was_measured_before_or_not(status: Status) -> None:
    assert outcome(failed(status), latency(1.0)) is Outcome.BROKEN
    assert outcome(failed(status), None) is Outcome.BROKEN
    assert outcome(failed(status), failed(status)) is Outcome.BROKEN


def test_a_leak_is_worse_whatever_it_is_held_against() -> None:
    leaking, clean = leak(4096.0), leak(0.0, "clean")
    for old in (None, clean, leaking, leak(4096.0, version=2), leak(3900.0, "unknown")):
        assert outcome(leaking, old) is Outcome.WORSE
    assert outcome(clean, None) is Outcome.NEW
    assert outcome(clean, leaking) is Outcome.BETTER
    assert outcome(leak(4096.0, declared=4096.0), None) is Outcome.NEW


def test_a_run_is_green_in_spite_of_what_never_worked_there_and_not_of_what_did() -> None:
    error = failed(Status.ERROR)
    for new, old in ((error, None), (error, error), (leak(4096.0), None), (leak(4096.0), leak(4096.0))):
        held = judge([new, memory(1.0)], [old, memory(1.0)] if old else [memory(1.0)])
        assert exit_code(held, strict=False) != 0
        assert is_green(held)
    for new, old in ((error, latency(1.0)), (leak(4096.0), leak(0.0, "clean")), (leak(8e4), leak(4096.0))):
        assert not is_green(judge([new, memory(1.0)], [old, memory(1.0)]))
    assert not is_green(judge([error], []))  # a run in which nothing works


def test_a_case_that_lost_its_support_is_broken() -> None:
    assert outcome(failed(Status.UNSUPPORTED), latency(1.0)) is Outcome.BROKEN


def test_a_case_that_never_had_support_is_no_verdict() -> None:
    assert judge([failed(Status.UNSUPPORTED)], [failed(Status.UNSUPPORTED)]) == []


def test_a_measured_case_that_is_absent_now_is_missing() -> None:
    assert outcome(None, latency(1.0)) is Outcome.MISSING


def test_a_first_measurement_and_a_new_version_are_new() -> None:
    assert outcome(latency(1.0), None) is Outcome.NEW
    other = Case("suite", "bench", "candidate", (("N", 1),), version=2)
    assert outcome(latency(9.0, case=other), latency(1.0)) is Outcome.NEW


def test_the_most_serious_verdict_comes_first() -> None:
    gone = Case("suite", "bench", "gone")
    found = judge([latency(1.2, 1.2, 1.2), memory(1.0)], [latency(1.0, 1.0, 1.0), latency(1.0, case=gone)])
    assert [v.outcome for v in found] == [Outcome.MISSING, Outcome.WORSE, Outcome.NEW]


@pytest.mark.parametrize(
    ("outcomes", "strict", "code"),
    [
        ([], False, 4),
        ([Outcome.SAME, Outcome.BETTER, Outcome.NEW], True, 0),
        ([Outcome.WORSE], False, 1),
        ([Outcome.WORSE, Outcome.BROKEN], False, 3),
        ([Outcome.WORSE, Outcome.BROKEN, Outcome.MISSING], False, 4),
        ([Outcome.INCONCLUSIVE], False, 0),
        ([Outcome.INCONCLUSIVE], True, 5),
        ([Outcome.INCONCLUSIVE, Outcome.WORSE], True, 1),
    ],
)
def test_exit_codes_follow_the_order_4_3_1_5(outcomes: list[Outcome], strict: bool, code: int) -> None:
    assert exit_code([Verdict(o, CASE) for o in outcomes], strict) == code


def test_the_usual_change_is_three_robust_deviations_of_the_steps() -> None:
    draw = random.Random(4)
    level = [2.718281828 ** draw.gauss(0, 0.02) for _ in range(400)]
    # Steps of independent values have sqrt(2) times their deviation: 3 * 1.414 * 2 % = 8.5 %.
    assert usual_change(level) == pytest.approx(0.088, abs=0.015)
    level[200] = 10.0  # one outlier does not move it
    assert usual_change(level) == pytest.approx(0.088, abs=0.015)


def test_five_points_tell_no_habit() -> None:
    assert usual_change([1.0, 2.0, 1.0, 2.0, 1.0]) == 0.0
