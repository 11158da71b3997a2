"""A run in a few sentences: what was measured, and what to do about what went wrong."""

from __future__ import annotations

import time
from collections import Counter

from dsbench.leaking import leaks
from dsbench.metrics import evaluate
from dsbench.records import Run, Status
from dsbench.reports.plain import clean
from dsbench.reports.rows import Group, plural
from dsbench.reports.units import percent

DOUBTFUL = 1.05
"""The share of a ceiling beyond which it is no longer the noise of both that explains it."""


def headline(run: Run, found: list[Group]) -> str:
    """How many cases were measured, by how they ended: ``24 cases: 22 ok, 1 unstable, 1 oom``."""
    statuses = Counter(row.worst.status for group in found for row in group.rows)
    parts = [f"{statuses[status]} {status}" for status in Status if statuses[status]]
    missing = len(unmeasured(run))
    if missing:
        parts.append(f"{missing} not measured")
    total = statuses.total() + missing
    return f"{total} {plural(total, 'case')}" + (f": {', '.join(parts)}" if parts else "")


def where(run: Run) -> str:
    """The machine, the device and the commit that was measured, in one line."""
    here = run.environment
    commit = f"commit {here.commit[:8]}" if here.commit else "no commit"
    changes = " with uncommitted changes" if here.dirty else ""
    return clean(f"{here.machine}, {here.device.name} ({here.device.backend}), {commit}{changes}")


def when(seconds: float) -> str:
    """A time in seconds since the epoch as ``2026-01-31 23:59 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def unmeasured(run: Run) -> list[str]:
    """The names of the cases that were planned and have no measurement."""
    measured = {m.case.name for m in run.measurements}
    return [name for name in run.planned if name not in measured]


def warnings(run: Run, found: list[Group]) -> list[str]:
    """What stands against the numbers, each with what to do about it."""
    said = [
        f"suite {clean(suite)} could not be imported: {clean(error)}; correct it and run again"
        for suite, error in run.suite_errors.items()
    ]
    missing = unmeasured(run)
    if missing:
        what = "run again" if run.ended is not None else "the run was cut off, dsbench run --resume goes on"
        said.append(
            f"{len(missing)} planned {plural(len(missing), 'case')} not measured, "
            f"{clean(missing[0])} first: {what}"
        )
    unstable = sum(row.worst.status is Status.UNSTABLE for group in found for row in group.rows)
    if unstable:
        said.append(
            f"{unstable} {plural(unstable, 'case')} did not settle: "
            "try a longer --min-time or a quieter machine"
        )
    samples = [s for m in run.measurements for readings in m.readings.values() for s in readings]
    marks = Counter(clean(sample.cause) for sample in samples if sample.mark)
    if marks:
        causes = ", ".join(f"{count} × {mark}" for mark, count in marks.most_common())
        said.append(
            f"{marks.total()} of {len(samples)} samples were disturbed ({causes}): "
            "see that nothing else uses the device and that it is cool"
        )
    above = [
        (row.metrics["roofline"].value, row.case.name)
        for group in found
        for row in group.rows
        if "roofline" in row.metrics and row.metrics["roofline"].value > DOUBTFUL
    ]
    if above:
        share, name = max(above)
        said.append(
            f"{len(above)} {plural(len(above), 'case')} above the measured ceiling, {clean(name)} most "
            f"({percent(share)}): unless its data fit the cache, correct the work formula or measure the "
            "ceilings again, dsbench doctor --ceilings"
        )
    leaking = [m for m in run.measurements if leaks(m)]
    if leaking:
        worst = max(leaking, key=lambda m: evaluate(m)["leak_slope"].value)
        place = f" at {clean(str(worst.notes['leak_at_1']))}" if "leak_at_1" in worst.notes else ""
        said.append(
            f"{len(leaking)} {plural(len(leaking), 'case')} leaking, {clean(worst.case.name)} most{place}: "
            "docs/memory-leaks.md leads from here to the line"
        )
    if run.quick:
        said.append("quick points: in the history only with --record; run without --quick for the full ones")
    return said
