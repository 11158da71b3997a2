"""Changes that were accepted on purpose: a file of the repository, so that accepting one shows in a review.

An acknowledgement is of one change: a case, a metric and an outcome on one machine and environment, up to
the size it had. It ends on its date. That of something worse is also spent once the baseline has moved on to
hold the commit it was given at, because what is worse than that baseline is another change; that of a failure
or a leak is not, because these are the same whatever they are held against.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from dsbench.gate import Judged, Outcome, Verdict
from dsbench.records import dump

DIGITS = 10
"""Hexadecimal digits of an id."""

ACCEPTABLE = (Outcome.MISSING, Outcome.BROKEN, Outcome.WORSE)
"""Outcomes that fail a gate and can be accepted."""

NEVER = "never"


class AckError(Exception):
    """The file cannot be read or written, or the change cannot be accepted; one line that says why."""


@dataclass(frozen=True)
class Ack:
    """One accepted change. `change` is its relative size and `after` the value it led to (both None where
    it has none), `metric` what it was seen in (a probe, where that failed as a whole; empty for all of the
    case), `told` what the verdict said, `commit` where it was seen (empty for uncommitted changes)
    and `baseline` what that was held against, `until` the last day on which it holds, or ``never``, and
    `made` the day it was accepted."""

    id: str
    place: str
    case: str
    metric: str
    outcome: str
    change: float | None
    after: float | None
    told: str
    commit: str
    baseline: str
    reason: str
    until: str
    made: str

    def lapse(
        self, verdict: Verdict, judged: Judged, contains: Callable[[str, str], bool], today: date
    ) -> str:
        """Why it does not cover a verdict of the same id; empty when it does. Arguments as of `mark`."""
        if self.until != NEVER and date.fromisoformat(self.until) < today:
            return f"ended on {self.until}"
        if not self._alike(verdict):
            return "was of a smaller change" if self.change is not None else "was of another failure"
        changed = verdict.outcome is Outcome.WORSE and not verdict.standing
        moved = judged.baseline and judged.baseline != self.baseline
        if changed and moved and self.commit and contains(self.commit, judged.baseline):
            return f"was given at commit {self.commit[:8]}, which the baseline holds by now"
        return ""

    def _alike(self, verdict: Verdict) -> bool:
        """Whether it is the change that was accepted, and not a larger one."""
        slack = 1 + verdict.threshold
        if self.change is not None and verdict.change is not None and verdict.change.value > -1:
            size = abs(math.log1p(verdict.change.value))
            return size <= abs(math.log1p(self.change)) + math.log(slack)
        if self.after is not None and verdict.after is not None:
            return verdict.after.value <= self.after * slack
        return _plain(verdict.reason) == _plain(self.told)


def identity(verdict: Verdict, place: str) -> str:
    """The id of a change: the same each time it is seen on a machine and environment."""
    case = verdict.case
    what = verdict.metric or verdict.probe
    text = "\n".join((place, case.name, str(case.version), what, verdict.outcome))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def mark(
    verdicts: Iterable[Verdict],
    acks: Sequence[Ack],
    judged: Judged,
    contains: Callable[[str, str], bool],
    today: date,
) -> list[Verdict]:
    """Verdicts with their ids, and what was acknowledged of them or no longer is.

    Args:
        acks: what was accepted so far.
        judged: what the verdicts are of.
        contains: whether a commit (first) is in the history of another (second).
        today: acknowledgements that ended before it no longer hold.
    """
    known = {ack.id: ack for ack in acks}
    marked = []
    for verdict in verdicts:
        named = replace(verdict, id=identity(verdict, judged.place))
        ack = known.get(named.id)
        if ack:
            end = "" if ack.until == NEVER else f" until {ack.until}"
            told = f"{ack.reason} (accepted on {ack.made}{end})"
            why = ack.lapse(named, judged, contains, today)
            covers = "" if why else told
            named = replace(named, acknowledged=covers, lapsed=f"{told}, which {why}" if why else "")
        marked.append(named)
    return marked


def accept(verdict: Verdict, judged: Judged, reason: str, until: str, today: date) -> Ack:
    """The acknowledgement of a verdict that has its id.

    Raises:
        AckError: the verdict does not fail a gate, the reason is empty, or the date is none or past.
    """
    if verdict.outcome not in ACCEPTABLE:
        raise AckError(f"{verdict.id} is {verdict.outcome}: there is nothing to accept")
    if not reason.strip():
        raise AckError("an empty --reason tells nobody why: say it in a few words")
    if until != NEVER:
        try:
            past = date.fromisoformat(until) < today
        except ValueError:
            raise AckError(f"--until {until}: give a date such as 2027-01-31, or never") from None
        if past:
            raise AckError(f"--until {until} is past")
    return Ack(
        id=verdict.id,
        place=judged.place,
        case=verdict.case.name,
        metric=verdict.metric or verdict.probe,
        outcome=verdict.outcome.value,
        change=verdict.change.value if verdict.change else None,
        after=verdict.after.value if verdict.after else None,
        told=verdict.reason,
        commit=judged.commit,
        baseline=judged.baseline,
        reason=" ".join(reason.split()),
        until=until,
        made=today.isoformat(),
    )


def path_of(results: Path) -> Path:
    """The file, beside the results of all machines."""
    return results / "acknowledged.jsonl"


def read(results: Path) -> list[Ack]:
    """What was accepted so far; nothing without a file.

    Raises:
        AckError: the file cannot be read.
    """
    path = path_of(results)
    if not path.exists():
        return []
    try:
        return [_checked(json.loads(line)) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError, TypeError) as error:
        raise AckError(f"cannot read {path}: {error}; restore it from the repository") from None


def write(ack: Ack, results: Path) -> Path:
    """Puts an acknowledgement into the file, in place of an earlier one of the same change.

    Raises:
        AckError: the file cannot be read or written.
    """
    kept = [old for old in read(results) if old.id != ack.id]
    path = path_of(results)
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("".join(dump(vars(one)) + "\n" for one in (*kept, ack)), "utf-8")
        partial.replace(path)
    except OSError as error:
        raise AckError(f"cannot write {path}: {error.strerror}") from None
    return path


def _checked(row: dict[str, Any]) -> Ack:
    ack = Ack(**row)
    if ack.until != NEVER:
        date.fromisoformat(ack.until)
    return ack


def _plain(text: str) -> str:
    """A reason without its figures, which differ each time."""
    return re.sub(r"\d+(\.\d+)?", "…", text)
