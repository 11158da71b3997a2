"""Screening and confirming over simulated pairs: what becomes an alarm, recurs, or is measured again."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsbench.exact import ASKED, Exact
from dsbench.gate import Outcome, Verdict
from dsbench.paired_gate import CONFIRMING, LOOKS, PairedPolicy
from dsbench.pairs import Pair, Pairing, Side
from dsbench.records import Case, Measurement, Sample, Status
from dsbench.stats.intervals import Estimate
from dsbench.versus import Versus

SIDES = (Side("a", Path()), Side("b", Path()))


def case(name: str) -> Case:
    return Case("s", "b", name)


def memory(of: Case, size: float, number: int = 0) -> Measurement:
    return Measurement(of, "memory", Status.OK, readings={"peak_memory": (Sample(size, number),)})


def simulation(
    slower: Mapping[str, float],
    memories: Mapping[str, float] | None = None,
    noise: float = 0.005,
    recurs: bool = True,
) -> Callable[..., Iterator[Pair]]:
    """What measures pairs: cases slower by so much (only while screening unless it recurs), and by how much
    B's memory is larger."""
    draw = random.Random(1)

    def measure(
        sides: tuple[Side, Side],
        cases: Sequence[Case],
        number: int,
        pairing: Pairing,
        controls: frozenset[str],
        probing: frozenset[str],
        metrics: Mapping[Case, Sequence[str]],
    ) -> Iterator[Pair]:
        for one in cases:
            if one.name in controls:
                yield Pair(one.name, number, True, seconds=(1, 1), log_ratio=draw.gauss(0, noise))
            for metric in metrics[one]:
                shift = slower.get(one.candidate, 0.0) if recurs or number < LOOKS[-1] else 0.0
                ratio = math.log1p(shift) + draw.gauss(0, noise)
                sizes = (1.0, 1 + (memories or {}).get(one.candidate, 0.0))
                probed = (
                    tuple((memory(one, 2**30 * size, number),) for size in sizes)
                    if one.name in probing
                    else ()
                )
                seconds = (1.0, math.exp(ratio))
                pair = Pair(one.name, number, metric=metric, seconds=seconds, log_ratio=ratio)
                yield replace(pair, probed=probed) if one.name in probing else pair

    return measure


def versus(names: Sequence[str], measure: Callable[..., Iterator[Pair]], kept: list[Any]) -> Versus:
    cases = [case(name) for name in names]
    policy, keep = PairedPolicy(), lambda *pair: kept.append(pair)
    return Versus(SIDES, cases, Pairing("fake"), policy, 600.0, keep, measure)


def test_an_alarm_is_confirmed_by_fresh_pairs_and_the_rest_settled_at_the_first_look() -> None:
    kept: list[tuple[Pair, bool]] = []
    held = versus(["slow", "other"], simulation({"slow": 0.05}), kept)
    held.run()
    verdicts = {(v.case.candidate, v.metric): v for v in held.verdicts()}
    slow = verdicts["slow", "latency"]
    assert slow.outcome is Outcome.WORSE
    assert f"{CONFIRMING} fresh pairs confirm it" in slow.reason
    assert slow.smallest == 0.01
    assert verdicts["other", "latency"].outcome is Outcome.SAME
    assert sum(confirming for _, confirming in kept) == CONFIRMING
    assert [verdict.outcome for verdict in held.controls()] == [Outcome.SAME]


def test_an_alarm_that_does_not_recur_is_none() -> None:
    held = versus(["slow"], simulation({"slow": 0.05}, recurs=False), [])
    held.run()
    found = {verdict.metric: verdict for verdict in held.verdicts()}["latency"]
    assert found.outcome is Outcome.SAME
    assert "did not confirm" in found.reason


def test_deterministic_metrics_are_asked_once_where_they_agree_and_six_times_where_not() -> None:
    kept: list[tuple[Pair, bool]] = []
    held = versus(["fat", "other"], simulation({}, {"fat": 0.1}), kept)
    held.run()
    found = {(v.case.candidate, v.metric): v.outcome for v in held.verdicts()}
    assert found["fat", "peak_memory"] is Outcome.WORSE
    assert found["other", "peak_memory"] is Outcome.SAME
    asked = Counter(pair.case for pair, _ in kept if pair.probed)
    assert asked == {"s.b.fat": ASKED, "s.b.other": 1}


def readings(before: Sequence[float], after: Sequence[float]) -> Exact:
    found = Exact()
    for number, sizes in enumerate(zip(before, after, strict=True)):
        found.add([[memory(case("c"), 2**30 * size, number)] for size in sizes])
    return found


def test_memory_that_overlaps_so_far_is_asked_again_and_may_agree_in_the_end() -> None:
    assert readings([1.0, 1.2], [1.1, 1.15]).open
    settled = readings([1.0, 1.2], [1.1, 1.205])
    assert not settled.open
    assert [verdict.outcome for verdict in settled.verdicts()] == [Outcome.SAME]
    told = readings([1.0, 1.2] * 3, [1.1, 1.15] * 3).verdicts()
    assert [verdict.outcome for verdict in told] == [Outcome.INCONCLUSIVE]
    assert told[0].reason.endswith(f"overlap over {ASKED} pairs")


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ([1.0] * ASKED, [1.1] * ASKED, Outcome.WORSE),
        ([1.1] * ASKED, [1.0] * ASKED, Outcome.BETTER),
        ([1.0, 1.2, 1.0, 1.1, 1.0, 1.0], [1.1, 1.3, 1.2, 1.1, 1.2, 1.4], Outcome.INCONCLUSIVE),
        ([1.0, 1.2], [1.2, 1.0], Outcome.SAME),
        ([1.0] * 2, [1.1] * 2, Outcome.INCONCLUSIVE),
    ],
)
def test_a_difference_counts_when_no_reading_of_one_side_is_among_those_of_the_other(
    before: list[float], after: list[float], outcome: Outcome
) -> None:
    (found,) = readings(before, after).verdicts()
    assert found.outcome is outcome


def test_a_probe_that_fails_on_the_new_side_alone_is_broken_and_on_both_no_news() -> None:
    lost = Measurement(case("c"), "memory", Status.OOM, "no memory")
    alone, both = Exact(), Exact()
    alone.add([[memory(case("c"), 1.0)], [lost]])
    both.add([[lost], [lost]])
    assert [verdict.outcome for verdict in alone.verdicts()] == [Outcome.BROKEN]
    assert both.verdicts() == []


def test_a_leak_on_both_sides_is_no_news_and_one_where_the_old_side_failed_is() -> None:
    def leak(low: float) -> Measurement:
        readings = {f"leak_{name}": (Sample(low, 0),) for name in ("slope", "low", "high")}
        notes = {"verdict": "leak" if low else "clean", "budget": 256.0}
        return Measurement(case("c"), "leak", Status.OK, readings=readings, notes=notes)

    lost = Measurement(case("c"), "leak", Status.OOM, "no memory")
    for before, outcome, still in (
        (leak(4096.0), Outcome.SAME, False),
        (lost, Outcome.WORSE, False),
        (leak(0.0), Outcome.INCONCLUSIVE, True),
    ):
        found = Exact()
        found.add([[before], [leak(4096.0)]])
        assert [verdict.outcome for verdict in found.verdicts()] == [outcome]
        assert found.open is still


def raised(name: str, metric: str, outcome: Outcome = Outcome.WORSE) -> Verdict:
    return Verdict(outcome, case(name), metric, change=Estimate(0.2, 0.1, 0.3), reason="stored")


def test_alarms_of_stored_results_stand_only_if_they_recur() -> None:
    names = ["slow", "drift", "crashed", "fat", "thin"]
    held = versus(names, simulation({"slow": 0.05}, {"fat": 0.1}), kept := [])
    alarms = [
        raised("slow", "latency"),
        raised("drift", "latency_cold"),
        raised("crashed", "", Outcome.BROKEN),
        raised("fat", "peak_memory"),
        raised("thin", "peak_memory"),
        raised("drift", "energy"),
    ]
    held.recheck(alarms)
    found = held.rechecked(alarms)
    assert [verdict.outcome for verdict in found] == [
        Outcome.WORSE,
        Outcome.SAME,
        Outcome.SAME,
        Outcome.WORSE,
        Outcome.SAME,
        Outcome.WORSE,
    ]
    assert "could not be measured again" in found[-1].reason
    assert [control.outcome for control in held.controls()] == [Outcome.SAME]
    assert not [pair for pair, _ in kept if pair.case == "s.b.fat" and pair.number < LOOKS[-1] + CONFIRMING]


def test_alarms_that_were_not_measured_again_before_ctrl_c_are_inconclusive() -> None:
    alarms = [raised("slow", "latency")]
    (found,) = versus([], simulation({}), []).rechecked(alarms)
    assert found.outcome is Outcome.INCONCLUSIVE
