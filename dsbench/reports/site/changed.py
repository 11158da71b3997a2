"""What changed at a place since its last green run, as the gate judges it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dsbench import acknowledged
from dsbench.acknowledged import Ack
from dsbench.baseline import expected
from dsbench.environment import is_ancestor
from dsbench.expected import ExpectedError, absent
from dsbench.gate import Judged, Outcome, Policy, Verdict, is_green, judge, usual_change
from dsbench.records import Case, Run
from dsbench.reports.site.inputs import Stored, digest_of
from dsbench.reports.site.recorded import Recorded

FEWEST, MOST = 10, 100
"""Earlier runs of a place that are looked at for green ones, at least and at most."""

BUDGET = 12_000
"""Measurements of earlier runs that are judged when nothing is known of them yet: what a first build may take
for this. Later ones remember."""

Known = dict[str, tuple[str, bool]]

MOVED = frozenset((Outcome.WORSE, Outcome.BETTER, Outcome.INCONCLUSIVE))

Habit = Callable[[Case, str], Sequence[float]]
"""Gives the earlier values of a metric of a case at the place, oldest first."""


@dataclass(frozen=True)
class Changes:
    """The newest run of a place held against its last green one; `green` is None for the first run."""

    newest: Stored
    green: Stored | None
    verdicts: list[Verdict]


def changes(recorded: Recorded, runs: Sequence[Stored], known: Known, habit: Habit) -> Changes:
    """Judges the newest of a place's runs.

    A run is green when the gate finds nothing in it against the green runs before it, so that a slow-down
    stays one until it is mended. The oldest that is looked at has nothing to be held against; a site that is
    brought up to date remembers what was green further back.

    Args:
        recorded: reads runs.
        runs: the place's runs, by the time of their commits.
        known: by the content of a run what it was judged after, and whether it is green; what is found out is
            added.
        habit: earlier values of a series, for how far it usually moves.

    Raises:
        HistoryError: a side-car can no longer be read.
        OSError: it cannot be opened.
    """
    newest, judging = runs[-1], _Judging(recorded, habit)
    window = max(FEWEST, min(MOST, BUDGET // max(newest.measurements, 1)))
    start = max(0, len(runs) - 1 - window)
    green = [run for run in runs[:start] if known.get(run.digest, ("", False))[1]]
    for run in runs[start:-1]:
        after = judging.after(green)
        if known.get(run.digest, ("", False))[0] != after:
            known[run.digest] = (after, is_green(judging(run, green)))
        if known[run.digest][1]:
            green.append(run)
    verdicts = judging(newest, green)
    known[newest.digest] = (judging.after(green), is_green(verdicts))
    return Changes(newest, green[-1] if green else None, verdicts)


def accepted(results: Path) -> list[Ack]:
    """The changes that were accepted; none where their file cannot be read, which the gate itself refuses."""
    try:
        return acknowledged.read(results)
    except acknowledged.AckError:
        return []


class _Judging:
    """Judges runs of a place against those before them."""

    def __init__(self, recorded: Recorded, habit: Habit) -> None:
        self.recorded, self.habit = recorded, habit
        self.acks = accepted(recorded.results)
        # What was accepted holds until a date, so that what is green may be so for a day only.
        self.today = datetime.now(UTC).date()
        self._accepted = f"{self.today} {digest_of(repr(self.acks).encode())}" if self.acks else ""

    def after(self, green: Sequence[Stored]) -> str:
        """What, beside its content, decides whether a run is green."""
        return f"after {green[-1].digest if green else 'none'}, {self._accepted}"

    def __call__(self, new: Stored, past: Sequence[Stored]) -> list[Verdict]:
        run = self.recorded.whole(new)
        before = expected(self.recorded.last_good(past[-FEWEST:]), run)
        policy = Policy()
        first = judge(run.measurements, before, policy)
        # How far a series usually moves can only hold an alarm back, so it is looked up for alarms alone.
        moved = [verdict for verdict in first if verdict.outcome in MOVED]
        names = {verdict.case.name for verdict in moved}
        again = judge(
            [m for m in run.measurements if m.case.name in names],
            [m for m in before if m.case.name in names],
            policy,
            _usual(moved, self.habit),
        )
        rest = [verdict for verdict in first if verdict.case.name not in names]
        where = run.environment
        commit = "" if where.dirty else where.commit or ""
        judged = Judged(f"{where.machine}/{where.name}", commit, past[-1].commit if past else "")
        return acknowledged.mark(
            [*_absent(run, self.recorded.results, first), *again, *rest],
            self.acks,
            judged,
            lambda old, new: is_ancestor(Path.cwd(), old, new),
            self.today,
        )


def _usual(moved: Sequence[Verdict], habit: Habit) -> Mapping[tuple[str, str], float]:
    return {(v.case.name, v.metric): usual_change(habit(v.case, v.metric)) for v in moved}


def _absent(run: Run, results: Path, judged: Sequence[Verdict]) -> list[Verdict]:
    try:
        cases = absent(run, results)
    except ExpectedError:
        return []  # the gate itself refuses such a file; the site shows what can be known without it
    names = {verdict.case.name for verdict in judged}
    reason = "expected, and not in the run"
    return [Verdict(Outcome.MISSING, case, reason=reason) for case in cases if case.name not in names]
