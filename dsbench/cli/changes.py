"""`dsbench history --changes`: when did what change?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dsbench.cli.exits import RefusedError

if TYPE_CHECKING:
    from dsbench.changes import Key
    from dsbench.history import Series


def changes_of(found: list[Series], style: str, since: str, seen: bool, beside_asv: bool) -> str:
    """The report on what changed in the series.

    Args:
        found: the series to look at.
        style: ``table`` or ``json``.
        since: a date or git revision; nothing older is told. Empty for the whole past.
        seen: whether what is told counts as seen from now on.
        beside_asv: whether asv's own detection stands beside ours.

    Raises:
        RefusedError: `since` is neither, or what was seen cannot be read or written.
    """
    from dsbench.changes import find_events, key, suspects
    from dsbench.looks import Looks
    from dsbench.reports.events import events_json, events_text
    from dsbench.runs import RunError

    after = moment(since) if since else float("-inf")
    events = [event for event in find_events(found) if event.commit_time > after]
    newest = {
        key(shift.series): shift.first_after.commit_time
        for event in reversed(events)
        for shift in event.shifts
    }
    suspicions = [
        one
        for one in suspects(found)
        if one.point.commit_time > max(after, newest.get(key(one.series), after))  # else it is told already
    ]
    steps = _asv(found, after) if beside_asv else None
    try:
        looks = Looks()
        write = events_json if style == "json" else events_text
        text = write(events, suspicions, looks.new, steps)
        if seen:
            looks.mark(shift for event in events for shift in event.shifts)
    except RunError as error:
        raise RefusedError(str(error)) from None
    return text


def moment(since: str) -> float:
    """The time, in seconds since the epoch, that a date or a git revision names.

    Raises:
        RefusedError: it names none.
    """
    from dsbench.environment import commit_of, repository

    if commit := commit_of(Path.cwd(), since):
        told = repository(Path.cwd(), revision=commit).commit_time
        if told is not None:
            return told
    try:
        date = datetime.fromisoformat(since)
    except ValueError:
        raise RefusedError(
            f"--since {since}: no git revision here, nor a date such as {time.strftime('%Y-%m-%d')}"
        ) from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def suspicious(found: list[Series]) -> dict[Key, str]:
    """What to say of each series whose newest points look different."""
    from dsbench.changes import key, suspects

    return {
        key(one.series): f"suspect: about {one.size:+.1%} from {one.point.commit[:8]} on"
        for one in suspects(found)
    }


def _asv(found: list[Series], after: float) -> dict[Key, list[float]]:
    """When asv sees each series change."""
    from dsbench.changes import key
    from dsbench.history.steps import asv_steps

    steps = {}
    for one in found:
        known = [(p.commit_time, p.estimate.value) for p in one.points if p.estimate is not None]
        times = [known[index][0] for index in asv_steps([value for _, value in known])]
        steps[key(one)] = [at for at in times if at > after]
    return steps
