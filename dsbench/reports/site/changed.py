"""What changed at a place since its last green run, as the gate judges it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dsbench import acknowledged
from dsbench.baseline import expected, last_good
from dsbench.environment import is_ancestor
from dsbench.expected import ExpectedError, absent
from dsbench.gate import Judged, Outcome, Policy, Verdict, is_green, judge, usual_change
from dsbench.history.sidecar import read
from dsbench.records import Case, Run
from dsbench.reports.site.inputs import Stored, digest_of

FEWEST, MOST = 10, 100
"""Earlier runs of a place that are looked at for green ones, at least and at most."""

BUDGET = 12_000
"""Measurements of earlier runs that are judged when nothing is known of them yet: what a first build may take
for this. Later ones remember."""

MOVED = frozenset((Outcome.WORSE, Outcome.BETTER, Outcome.INCONCLUSIVE))

Habit = Callable[[Case, str], Sequence[float]]
"""Gives the earlier values of a metric of a case at the place, oldest first."""


@dataclass(frozen=True)
class Changes:
    """The newest run of a place held against its last green one; `green` is None for the first run."""

    newest: Stored
    green: Stored | None
    verdicts: list[Verdict]


def changes(results: Path, runs: Sequence[Stored], known: dict[str, bool], habit: Habit) -> Changes:
    """Judges the newest of a place's runs.

    A run is green when the gate finds nothing in it against the green runs before it, so that a slow-down
    stays one until it is mended. The oldest that is looked at has nothing to be held against.

    Args:
        results: the folder of the history.
        runs: the place's runs, by the time of their commits.
        known: whether runs are green, by their content and that of the green one before; what is found out
            is added.
        habit: earlier values of a series, for how far it usually moves.

    Raises:
        HistoryError: a side-car can no longer be read.
        OSError: it cannot be opened.
    """
    newest, reader = runs[-1], _Reader(results)
    window = max(FEWEST, min(MOST, BUDGET // max(newest.measurements, 1)))
    green: list[Stored] = []
    for run in runs[-window - 1 : -1]:
        key = f"{run.digest} after {green[-1].digest if green else 'nothing'}, {reader.accepted}"
        if key not in known:
            known[key] = is_green(_judged(reader, run, green, habit))
        if known[key]:
            green.append(run)
    return Changes(newest, green[-1] if green else None, _judged(reader, newest, green, habit))


class _Reader:
    def __init__(self, results: Path) -> None:
        self.results = results
        try:
            self.acks = acknowledged.read(results)
        except acknowledged.AckError:
            self.acks = []  # the gate itself refuses such a file
        # What was accepted holds until a date, so that what is green may be so for a day only.
        self.accepted = (
            f"{datetime.now(UTC).date()} {digest_of(repr(self.acks).encode())}" if self.acks else ""
        )
        self._read: dict[str, Run] = {}

    def __call__(self, run: Stored) -> Run:
        if run.key not in self._read:
            self._read[run.key] = read(self.results / f"{run.key}.jsonl")
        return self._read[run.key]


def _judged(reader: _Reader, new: Stored, past: Sequence[Stored], habit: Habit) -> list[Verdict]:
    run = reader(new)
    before = expected(last_good(reader(old) for old in past[-FEWEST:]), run)
    policy = Policy()
    first = judge(run.measurements, before, policy)
    # How far a series usually moves can only hold an alarm back, so it is looked up for alarms alone.
    names = {verdict.case.name for verdict in first if verdict.outcome in MOVED}
    again = judge(
        [m for m in run.measurements if m.case.name in names],
        [m for m in before if m.case.name in names],
        policy,
        _usual([verdict for verdict in first if verdict.outcome in MOVED], habit),
    )
    rest = [verdict for verdict in first if verdict.case.name not in names]
    where = run.environment
    commit = "" if where.dirty else where.commit or ""
    judged = Judged(f"{where.machine}/{where.name}", commit, past[-1].commit if past else "")
    return acknowledged.mark(
        [*_absent(run, reader.results, first), *again, *rest],
        reader.acks,
        judged,
        lambda old, new: is_ancestor(Path.cwd(), old, new),
        datetime.now(UTC).date(),
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
