"""What pairs of processes mean: a verdict a case, with the pairs taken so far.

A case is looked at after 12, 18 and 24 pairs and settled at the first look that decides it. Each look takes
a third of the error (Bonferroni's bound over the looks of a group-sequential design; Pocock, "Group
sequential methods in the design and analysis of clinical trials", Biometrika 64, 1977, is where looking
several times is treated), so that over all looks an interval misses the truth in at most 1 % of the cases.
A slow-down fails only when fresh pairs show it once more, with Holm's bound over all alarms.

Where others share the core the clock on the wall counts their work too, as much on both sides, so that a
ratio comes out too small. A case that only computes, in one thread, is therefore judged by processor time as
well: it is worse when either clock says so, with half the error each. All else is by the wall's alone, so
that nothing gets slower unseen by waiting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from dsbench.gate import Outcome, Verdict
from dsbench.metrics import METRICS
from dsbench.pairs import Pair
from dsbench.probes.latency import HOT
from dsbench.records import Case
from dsbench.stats.intervals import Estimate
from dsbench.stats.signed_rank import hodges_lehmann, holm, p_greater
from dsbench.turns import ABSENT

LOOKS = (12, 18, 24)
"""Numbers of pairs after which a case may be settled."""

CONFIRMING = 24
"""Fresh pairs in which an alarm has to recur."""

WALL, PROCESSOR = "wall clock", "processor time"

SINGLE = 1.1
"""Processor seconds a second of wall clock up to which a case counts as single-threaded."""

COMPUTING = 0.9
"""The same in an undisturbed turn, from which on a case counts as computing all the time: one that sleeps or
waits for a lock, a file or a device has less."""

Key = tuple[str, str]
"""A case's full name and a metric."""


@dataclass(frozen=True)
class PairedPolicy:
    """When a change between two sides counts. Relative changes: a case is worse or better when the whole
    interval lies on that side of zero and its centre is at least `min_effect`; it is the same when the
    interval reaches no further than `margin`. `error` is how often all looks together may err."""

    min_effect: float = 0.01
    margin: float = 0.02
    error: float = 0.01


def settle(case: Case, pairs: Sequence[Pair], policy: PairedPolicy) -> Verdict:
    """The verdict on one case from the pairs taken so far."""
    if trouble := next((pair for pair in pairs if pair.problems), None):
        return _troubled(case, trouble)
    if not pairs:
        return Verdict(Outcome.INCONCLUSIVE, case, HOT, reason="no pair was measured")
    found = _by_clock(case, pairs, policy)
    return next((v for v in found.values() if v.outcome is Outcome.WORSE), found[WALL])


def _by_clock(case: Case, pairs: Sequence[Pair], policy: PairedPolicy) -> dict[str, Verdict]:
    """The verdict by each clock; they share the error."""
    clocks = _clocks(pairs)
    confidence = 1 - policy.error / len(LOOKS) / len(clocks)
    changes = {clock: hodges_lehmann(ratios, confidence) for clock, ratios in clocks.items()}
    relative = {clock: _relative(change) for clock, change in changes.items()}
    widths = [(c.high - c.low) / 2 for c in changes.values() if c.low is not None and c.high is not None]
    found = {}
    for clock, change in changes.items():
        outcome, reason = _judge(change, len(pairs), policy)
        beside = [f"{other} {_percent(relative[other])}" for other in changes if other != clock]
        found[clock] = Verdict(
            outcome,
            case,
            pairs[0].metric,
            before=Estimate(median(pair.seconds[0] for pair in pairs)),
            after=Estimate(median(pair.seconds[1] for pair in pairs)),
            change=relative[clock],
            threshold=policy.min_effect,
            reason="; ".join([reason if clock == WALL else f"by {clock} {reason}", *beside]),
            smallest=max(policy.min_effect, math.expm1(min(widths))) if widths else None,
        )
    return found


def _clocks(pairs: Sequence[Pair]) -> dict[str, list[float]]:
    """Log ratios by the clock that they were read from. Processor time counts where it is what a call takes:
    there is one thread, and a turn that nothing disturbed leaves hardly any time in which it does not run."""
    clocks = {WALL: [pair.log_ratio for pair in pairs]}
    processor = [pair.cpu_log_ratio for pair in pairs if pair.cpu_log_ratio is not None]
    if len(processor) == len(pairs):
        typical, best = map(median, zip(*(pair.occupied for pair in pairs), strict=True))
        if typical <= SINGLE and best >= COMPUTING:
            clocks[PROCESSOR] = processor
    return clocks


def confirm(
    alarms: Sequence[Verdict], again: Mapping[Key, Sequence[Pair]], policy: PairedPolicy
) -> list[Verdict]:
    """Alarms judged by their fresh pairs (those of an alarm on a whole case being of its latency): worse
    only if they recur.

    A case that fails now is broken; one whose fresh pairs do not show the slow-down at the level that Holm's
    bound leaves it is the same or inconclusive, by their interval.
    """
    fresh = [again.get((alarm.case.name, alarm.metric or HOT), ()) for alarm in alarms]
    sound = [[pair for pair in pairs if not pair.problems] for pairs in fresh]
    clearest = [_clearest(found, policy) if found else (1.0, WALL) for found in sound]
    levels = holm([p for p, _ in clearest])
    judged = []
    for alarm, pairs, found, level, (_, clock) in zip(alarms, fresh, sound, levels, clearest, strict=True):
        verdict = settle(alarm.case, pairs, policy)
        if not found and verdict.outcome is Outcome.INCONCLUSIVE:
            judged.append(_called(alarm, Outcome.INCONCLUSIVE, "an alarm that was not measured again"))
        elif verdict.change is None:
            judged.append(verdict)
        elif level <= policy.error:
            told = f"{len(found)} fresh pairs confirm it (p = {level:.1g})"
            judged.append(_called(_by_clock(alarm.case, pairs, policy)[clock], Outcome.WORSE, told))
        else:
            outcome = Outcome.INCONCLUSIVE if verdict.outcome is Outcome.WORSE else verdict.outcome
            told = f"an alarm that {len(found)} fresh pairs did not confirm"
            judged.append(_called(verdict, outcome, told))
    return judged


def _clearest(pairs: Sequence[Pair], policy: PairedPolicy) -> tuple[float, str]:
    """How likely two sides that are alike show as much slowness by any clock, by Bonferroni's bound, and the
    clock that shows most; 1 where none has a centre of `min_effect`."""
    clocks = _clocks(pairs)
    least = math.log1p(policy.min_effect)
    likely = {
        clock: p_greater(ratios) if hodges_lehmann(ratios).value >= least else 1.0
        for clock, ratios in clocks.items()
    }
    clock = min(likely, key=likely.__getitem__)
    return min(1.0, likely[clock] * len(clocks)), clock


def _called(verdict: Verdict, outcome: Outcome, why: str) -> Verdict:
    return replace(verdict, outcome=outcome, reason=f"{why}; {verdict.reason}")


def _judge(change: Estimate, pairs: int, policy: PairedPolicy) -> tuple[Outcome, str]:
    if change.low is None or change.high is None:
        return Outcome.INCONCLUSIVE, f"{pairs} pairs are too few for an interval: {LOOKS[0]} are needed"
    width = (change.high - change.low) / 2
    seen = f"{pairs} pairs"
    least, most = math.log1p(policy.min_effect), math.log1p(policy.margin)
    if change.low > 0 and change.value >= least:
        return Outcome.WORSE, f"slower by at least --min-effect {policy.min_effect:.1%}; {seen}"
    if change.high < 0 and -change.value >= least:
        return Outcome.BETTER, f"faster by at least --min-effect {policy.min_effect:.1%}; {seen}"
    bound = f"--margin {policy.margin:.1%}"
    if change.high <= most:
        slower = max(0.0, math.expm1(change.high))
        return Outcome.SAME, f"at most {slower:.2%} slower, within {bound}; {seen}"
    # The interval shrinks with the root of the pairs; it has to leave out either zero or the margin.
    gap = max(abs(change.value), abs(most - change.value))
    more = math.ceil(pairs * (width / gap) ** 2) - pairs if gap else 0
    wanted = f"about {more} more pairs would decide" if more > 0 else "more pairs would decide"
    slower = math.expm1(change.high)
    return (
        Outcome.INCONCLUSIVE,
        f"up to {slower:.2%} slower cannot be ruled out, beyond {bound}; {seen}; {wanted}",
    )


def _troubled(case: Case, pair: Pair) -> Verdict:
    """Fails on B alone: broken. On A alone or on both, nothing was lost."""
    before, after = pair.problems.get(0), pair.problems.get(1)
    if after and not before:
        if after[0] == ABSENT:
            return Verdict(Outcome.MISSING, case, reason=f"B: {after[1]}")
        probe = METRICS[pair.metric].probe
        return Verdict(Outcome.BROKEN, case, reason=f"B: {after[1]}", probe=probe)
    told = "; ".join(f"{side}: {found[1]}" for side, found in (("A", before), ("B", after)) if found)
    outcome = Outcome.NEW if not after else Outcome.INCONCLUSIVE
    return Verdict(outcome, case, reason=f"no comparison: {told}")


def _percent(change: Estimate) -> str:
    if change.low is None or change.high is None:
        return f"{change.value:+.2%}"
    return f"{change.value:+.2%} ({change.low:+.2%} to {change.high:+.2%})"


def _relative(change: Estimate) -> Estimate:
    low, high = (None if edge is None else math.expm1(edge) for edge in (change.low, change.high))
    return Estimate(math.expm1(change.value), low, high)
