"""The gate: what a new run means against an old one, as verdicts and an exit code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median

from dsbench.metrics import METRICS, Metric, by_round
from dsbench.records import Case, Measurement
from dsbench.stats.intervals import Estimate
from dsbench.stats.two_sample import log_ratio


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
    direction; `threshold` is the relative change it was held against; `reason` says why in words.
    `metric` is empty when the verdict is about the case as a whole.
    """

    outcome: Outcome
    case: Case
    metric: str = ""
    before: Estimate | None = None
    after: Estimate | None = None
    change: Estimate | None = None
    threshold: float = 0.0
    reason: str = ""


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
        return [
            Verdict(Outcome.MISSING, old.case, reason=f"{old.probe} was measured before and is absent now")
        ]
    if new.status.failed:
        return [Verdict(Outcome.BROKEN, new.case, reason=f"{new.probe}: {new.status}: {new.reason}")]
    if old is None or not old.status.has_numbers:
        if not new.status.has_numbers:
            return []
        why = "measured for the first time" if old is None else f"before it was {old.status}: {old.reason}"
        return [Verdict(Outcome.NEW, new.case, reason=f"{new.probe}: {why}")]
    if not new.status.has_numbers:
        return [Verdict(Outcome.BROKEN, new.case, reason=f"{new.probe}: {new.status}: {new.reason}")]
    if old.case.version != new.case.version:
        why = f"version {old.case.version} → {new.case.version} starts a new series"
        return [Verdict(Outcome.NEW, new.case, reason=f"{new.probe}: {why}")]
    rows = [m for m in METRICS.values() if m.primary and m.probe == new.probe]
    judged = [
        _metric(metric, old, new, policy, usual.get((new.case.name, metric.name), 0.0)) for metric in rows
    ]
    return [verdict for verdict in judged if verdict is not None]


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
    if metric.tolerance is not None:
        outcome, change, reason = _by_tolerance(metric, metric.bound(before), metric.bound(after))
        threshold = metric.tolerance
    else:
        threshold = max(policy.min_effect, usual)
        ratio = log_ratio(
            by_round(old.readings[metric.reading]), by_round(new.readings[metric.reading]), policy.confidence
        )
        low, high = (None if end is None else math.expm1(end) for end in (ratio.low, ratio.high))
        change = Estimate(math.expm1(ratio.value), low, high)
        outcome, reason = _by_interval(metric, change, threshold, max(policy.margin, usual))
        if usual > policy.min_effect:
            reason += f"; the threshold is what this series usually moves, ±{usual:.1%}"
    return Verdict(outcome, new.case, metric.name, before, after, change, threshold, reason)


def _by_tolerance(metric: Metric, before: float, after: float) -> tuple[Outcome, Estimate | None, str]:
    """Deterministic metrics: equal within the tolerance or not, without a test; where they have an
    interval, `before` and `after` are its worse ends."""
    assert metric.tolerance is not None  # the caller's condition
    difference = after - before
    change = Estimate(difference / abs(before)) if before else None
    small = abs(difference) <= metric.resolution or abs(difference) <= metric.tolerance * abs(before)
    if small:
        return Outcome.SAME, change, f"within the tolerance of {100 * metric.tolerance:g}%"
    worse = (difference > 0) == (metric.direction == "lower")
    return (
        (Outcome.WORSE if worse else Outcome.BETTER),
        change,
        f"beyond the tolerance of {100 * metric.tolerance:g}%",
    )


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
    strict) that holds, else 0."""
    found = {verdict.outcome for verdict in verdicts}
    if not found or Outcome.MISSING in found:
        return 4
    if found & {Outcome.BROKEN, Outcome.UNBUILT}:
        return 3
    if Outcome.WORSE in found:
        return 1
    return 5 if strict and Outcome.INCONCLUSIVE in found else 0
