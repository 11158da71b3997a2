"""The gate: what a new run means against an old one, as verdicts and an exit code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median

from dsbench.leaking import leaks
from dsbench.metrics import METRICS, REFERENCE, Metric, by_round
from dsbench.records import Case, Measurement
from dsbench.stats.intervals import Estimate
from dsbench.stats.two_sample import log_ratio

OVERLAP = "the readings of the two sides overlap"


class Outcome(StrEnum):
    """What a new measurement means, most serious first."""

    MISSING = "missing"
    BROKEN = "broken"
    UNBUILT = "unbuilt"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"
    NEW = "new"
    BETTER = "better"
    SAME = "same"


@dataclass(frozen=True)
class Policy:
    """When a change counts.

    A metric is worse when the whole interval of its change lies on the bad side and its centre is at
    least `min_effect`; it is the same when the interval reaches no further than `margin` to the bad
    side. Both are relative changes. They are wide because runs of different hours differ by the
    machine's drift, which no number of rounds within a run can show. `strict` lets an inconclusive
    verdict fail.
    """

    min_effect: float = 0.05
    margin: float = 0.10
    confidence: float = 0.99
    strict: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the new run says of one metric of one case.

    `change` is relative to the old value (0.05 is 5 % more), with its interval, whatever the metric's
    direction; `threshold` is the relative change it was held against, `smallest` the smallest that these
    readings could have shown (half the interval's width, None without one); `reason` says why in words.
    `metric` is empty when the verdict is about a probe as a whole, which `probe` then names, or about all of
    the case. One that is `standing`, a failure or a leak, is bad by itself and not for a change: what it is
    held against has it as well, or there is nothing to hold it against.

    `id` names the change for ``dsbench ack``; `acknowledged` says why and until when it was accepted, and
    `lapsed` what was accepted and why that no longer covers it; each is empty where there is no such thing.
    """

    outcome: Outcome
    case: Case
    metric: str = ""
    before: Estimate | None = None
    after: Estimate | None = None
    change: Estimate | None = None
    threshold: float = 0.0
    reason: str = ""
    smallest: float | None = None
    id: str = ""
    acknowledged: str = ""
    probe: str = ""
    standing: bool = False
    lapsed: str = ""


@dataclass(frozen=True)
class Judged:
    """What the verdicts of one gate are of: the machine and environment (`place`), the commit that was
    judged and the one it was held against; empty where there is none, as for uncommitted changes."""

    place: str
    commit: str = ""
    baseline: str = ""


Key = tuple[str, str]
"""A case's full name and a probe: what is matched between two runs."""


def judge(
    new: Iterable[Measurement],
    old: Iterable[Measurement],
    policy: Policy = Policy(),
    usual: Mapping[tuple[str, str], float] | None = None,
) -> list[Verdict]:
    """Compares measurements case by case, most serious verdict first.

    Args:
        new: what was measured now.
        old: what it is held against; a case that is only here is `missing`.
        policy: when a change counts.
        usual: how far a metric of a case, by (case name, metric), usually moves between commits without
            cause, as a relative change; a smaller change than that is not called worse.
    """
    after = {(m.case.name, m.probe): m for m in new}
    before = {(m.case.name, m.probe): m for m in old}
    verdicts = [
        verdict
        for key in dict.fromkeys((*before, *after))
        for verdict in _pair(before.get(key), after.get(key), policy, usual or {})
    ]
    return sorted(verdicts, key=lambda v: (list(Outcome).index(v.outcome), v.case.name, v.metric))


def _pair(
    old: Measurement | None, new: Measurement | None, policy: Policy, usual: Mapping[tuple[str, str], float]
) -> list[Verdict]:
    if new is None:
        assert old is not None  # a key comes from one side at least
        if not old.status.has_numbers:
            return []
        told = f"{old.probe} was measured before and is absent now"
        return [Verdict(Outcome.MISSING, old.case, reason=told, probe=old.probe)]
    worked = old is not None and old.status.has_numbers
    if not new.status.has_numbers:
        if not (new.status.failed or worked):
            return []
        told = f"{new.probe}: {new.status}: {new.reason}"
        return [Verdict(Outcome.BROKEN, new.case, reason=told, probe=new.probe, standing=not worked)]
    if old is None or (why := _unlike(old, new)):
        told = f"{new.probe}: {'measured for the first time' if old is None else why}"
        return [_leak(new) or Verdict(Outcome.NEW, new.case, reason=told, probe=new.probe)]
    rows = [m for m in METRICS.values() if m.primary and m.probe == new.probe]
    judged = [
        _metric(metric, old, new, policy, usual.get((new.case.name, metric.name), 0.0)) for metric in rows
    ]
    leak = _leak(new, standing=bool(leaks(old)))
    return [
        leak if leak and leak.metric == verdict.metric and verdict.outcome is not Outcome.WORSE else verdict
        for verdict in judged
        if verdict is not None
    ]


def _unlike(old: Measurement, new: Measurement) -> str:
    """Why the numbers of a new measurement are not held against an old one; empty when they are."""
    if not old.status.has_numbers:
        return f"before it was {old.status}: {old.reason}"
    if old.case.version != new.case.version:
        return f"version {old.case.version} → {new.case.version} starts a new series"
    if old.notes.get(REFERENCE) != new.notes.get(REFERENCE):
        return "the ratio is to another revision"
    return ""


def _leak(new: Measurement, standing: bool = True) -> Verdict | None:
    """A leak is worse than none, whatever it is held against."""
    if not (name := leaks(new)):
        return None
    metric = METRICS[name]
    return Verdict(
        Outcome.WORSE,
        new.case,
        name,
        after=metric.of(new),
        threshold=metric.tolerance or 0.0,
        reason="a leak, which is bad whatever was before; docs/memory-leaks.md leads to the line",
        standing=standing,
    )


def _metric(
    metric: Metric, old: Measurement, new: Measurement, policy: Policy, usual: float
) -> Verdict | None:
    before, after = metric.of(old), metric.of(new)
    if before is None and after is None:
        return None
    if before is None:
        return Verdict(Outcome.NEW, new.case, metric.name, after=after, reason="measured for the first time")
    if after is None:
        return Verdict(
            Outcome.MISSING, new.case, metric.name, before=before, reason="measured before, not now"
        )
    smallest = None
    if metric.tolerance is not None:
        outcome, change, reason = _by_tolerance(metric, metric.bound(before), metric.bound(after))
        if metric.wavering and outcome is not Outcome.SAME and overlap(metric, old, new):
            outcome, reason = Outcome.INCONCLUSIVE, f"{reason}, but {OVERLAP}"
        threshold = metric.tolerance
    else:
        threshold = max(policy.min_effect, usual)
        ratio = log_ratio(
            by_round(old.readings[metric.reading]), by_round(new.readings[metric.reading]), policy.confidence
        )
        low, high = (None if end is None else math.expm1(end) for end in (ratio.low, ratio.high))
        change = Estimate(math.expm1(ratio.value), low, high)
        outcome, reason = _by_interval(metric, change, threshold, max(policy.margin, usual))
        reason += (
            f"; the threshold is what this series usually moves, ±{usual:.1%}"
            if usual > policy.min_effect
            else f"; the threshold is --min-effect {policy.min_effect:.1%}"
        )
        if low is not None and high is not None:
            smallest = max(threshold, (high - low) / 2)
    return Verdict(outcome, new.case, metric.name, before, after, change, threshold, reason, smallest)


def _by_tolerance(metric: Metric, before: float, after: float) -> tuple[Outcome, Estimate | None, str]:
    """Deterministic metrics: equal within the tolerance or not, without a test; where they have an
    interval, `before` and `after` are its worse ends."""
    assert metric.tolerance is not None  # the caller's condition
    difference = after - before
    change = Estimate(difference / abs(before)) if before else None
    if abs(difference) <= metric.tolerance * abs(before):
        return Outcome.SAME, change, f"within the tolerance of {100 * metric.tolerance:g}%"
    if abs(difference) <= metric.resolution:
        return Outcome.SAME, change, f"no further apart than can be told, {metric.resolution:g} {metric.unit}"
    worse = (difference > 0) == (metric.direction == "lower")
    return (
        (Outcome.WORSE if worse else Outcome.BETTER),
        change,
        f"beyond the tolerance of {100 * metric.tolerance:g}%",
    )


def overlap(metric: Metric, old: Measurement, new: Measurement) -> bool:
    """Whether readings of one side lie among those of the other."""
    left, right = ([sample.value for sample in one.readings[metric.reading]] for one in (old, new))
    return max(min(left), min(right)) <= min(max(left), max(right))


def _by_interval(metric: Metric, change: Estimate, threshold: float, margin: float) -> tuple[Outcome, str]:
    if change.low is None or change.high is None:
        return (
            Outcome.INCONCLUSIVE,
            "a side has one round and so no spread to judge by: use --rounds 3 or more",
        )
    # From here on, up is bad.
    low, centre, high = (change.low, change.value, change.high)
    if metric.direction == "higher":
        low, centre, high = -high, -centre, -low
    if low > 0 and centre >= threshold:
        return (
            Outcome.WORSE,
            f"the whole interval is on the bad side and the change is at least {threshold:.1%}",
        )
    if high < 0 and -centre >= threshold:
        return (
            Outcome.BETTER,
            f"the whole interval is on the good side and the change is at least {threshold:.1%}",
        )
    if high <= margin:
        return Outcome.SAME, f"at most {max(high, 0.0):.1%} worse, within the margin of {margin:.0%}"
    return Outcome.INCONCLUSIVE, f"up to {high:.1%} worse cannot be ruled out: measure with more --rounds"


def usual_change(values: Sequence[float]) -> float:
    """How far a series usually moves from one commit to the next, as a relative change: three robust
    standard deviations of its steps, from the median absolute deviation. 0 with fewer than six points,
    from which no habit can be told.

    Args:
        values: the metric's values over commits, all positive, oldest first.
    """
    if len(values) < 6 or min(values) <= 0:
        return 0.0
    steps = [math.log(later / earlier) for earlier, later in pairwise(values)]
    middle = median(steps)
    return math.expm1(3 * 1.4826 * median(abs(step - middle) for step in steps))


def exit_code(verdicts: Iterable[Verdict], strict: bool) -> int:
    """The first of 4 (missing, or nothing judged), 3 (broken or unbuilt), 1 (worse) and 5 (inconclusive, if
    strict) that holds, else 0. What was acknowledged does not count."""
    verdicts = list(verdicts)
    found = {verdict.outcome for verdict in verdicts if not verdict.acknowledged}
    if not verdicts or Outcome.MISSING in found:
        return 4
    if found & {Outcome.BROKEN, Outcome.UNBUILT}:
        return 3
    if Outcome.WORSE in found:
        return 1
    return 5 if strict and Outcome.INCONCLUSIVE in found else 0


def is_green(verdicts: Iterable[Verdict]) -> bool:
    """Whether a run that was held against green ones is green, too: nothing is missing, broken or worse that
    was not acknowledged. What is `standing` does not count, because it takes nothing away that a green run
    had, and one such case would keep its machine without a green run for ever."""
    return exit_code([verdict for verdict in verdicts if not verdict.standing], strict=False) == 0
