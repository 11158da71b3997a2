"""A measurement beside its repetition."""

from __future__ import annotations

from dsbench.metrics import METRICS, evaluate
from dsbench.records import Measurement, Run
from dsbench.reports import units
from dsbench.reports.plain import align, clean


def then_and_now(then: Run, old: Measurement, now: Run) -> str:
    """A line a metric of the measurement, with its intervals then and now; how it ended where it has no
    numbers."""
    new = next(
        (m for m in now.measurements if m.case.name == old.case.name and m.probe == old.probe),
        None,
    )
    before, after = evaluate(old), {} if new is None else evaluate(new)
    rows = [
        [
            f"  {name.replace('_', ' ')}",
            units.estimate(before.get(name), METRICS[name].unit),
            units.estimate(after.get(name), METRICS[name].unit),
        ]
        for name in dict.fromkeys((*before, *after))
    ]
    rows.append(["  status", old.status.value, "not measured" if new is None else new.status.value])
    header = [clean(f"{old.case.name}, {old.probe}"), f"then ({clean(then.id)})", f"now ({clean(now.id)})"]
    lines = align(header, rows)
    if new is not None and new.case.version != old.case.version:
        lines.append(f"  the benchmark was version {old.case.version} then and is {new.case.version} now")
    return "\n".join(lines) + "\n"
