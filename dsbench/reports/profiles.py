"""A profiled run: the kernels that a call of each case spends its time in."""

from __future__ import annotations

import json
from typing import Any

from dsbench.records import Measurement, Run, identity
from dsbench.reports import units
from dsbench.reports.kernels import WIDTH, Kernel, kernels
from dsbench.reports.plain import align, clean, shorten
from dsbench.reports.rows import plural

FORMAT = 1
"""The version of the document; raised when a reader of the old one would misread the new one."""

VIEWERS = "https://ui.perfetto.dev or chrome://tracing"

_SHOWN = 12


def profiles_text(run: Run) -> str:
    """A table of the longest kernels a case, where its trace lies, and what opens it."""
    found = [m for m in run.measurements if m.probe == "profile"]
    blocks = ["\n".join(_case(m)) for m in found]
    traces = [f"  {m.notes['trace']}" for m in found if "trace" in m.notes]
    if traces:
        blocks.append("\n".join([f"open in {VIEWERS}:", *traces]))
    return "\n\n".join(blocks) + "\n"


def _case(measurement: Measurement) -> list[str]:
    title, notes = clean(measurement.case.name), measurement.notes
    if not measurement.status.has_numbers:
        return [title, f"  {measurement.status}: {clean(measurement.reason)}"]
    found, total = kernels(measurement), _total(measurement)
    count = int(notes["kernels"])
    what = (
        f"device {plural(count, 'kernel')}" if notes["kind"] == "kernels" else plural(count, "host operator")
    )
    lines = [title, f"  {units.human(total, 's')} a call in {count} {what}"]
    if "fallback" in notes:
        lines.append(f"  operators instead of kernels: {clean(str(notes['fallback']))}")
    rows = [
        [
            f"    {shorten(clean(kernel.name), WIDTH)}",
            units.human(kernel.seconds, "s"),
            units.percent(_share(kernel, total)),
            f"{kernel.launches:g}",
        ]
        for kernel in found[:_SHOWN]
    ]
    lines += align(["    kernel", "time a call", "share", "launches"], rows)
    more = len(found) - len(rows)
    return [*lines, *([f"    … and {more} more (--format json)"] if more else [])]


def profiles_json(run: Run) -> str:
    """The profiles as a document of this shape, times in seconds of one call::

        {"format": 1, "type": "profile", "run": str, "cases": [
            {"case": str, "id": str, "status": str, "reason": str, "kind": "kernels" | "operators" | null,
             "fallback": str, "trace": str, "kernel_time": float | null, "launches": float | null,
             "kernels": [{"name": str, "seconds": float, "share": float | null, "launches": float}]}]}

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
    """
    cases = [_document(run, m) for m in run.measurements if m.probe == "profile"]
    document = {"format": FORMAT, "type": "profile", "run": run.id, "cases": cases}
    return json.dumps(document, allow_nan=False) + "\n"


def _document(run: Run, measurement: Measurement) -> dict[str, Any]:
    notes, known = measurement.notes, measurement.status.has_numbers
    total = _total(measurement) if known else None
    return {
        "case": measurement.case.name,
        "id": identity(run, measurement),
        "status": measurement.status.value,
        "reason": measurement.reason,
        "kind": notes.get("kind"),
        "fallback": notes.get("fallback", ""),
        "trace": notes.get("trace", ""),
        "kernel_time": total,
        "launches": notes.get("launches"),
        "kernels": [
            {
                "name": kernel.name,
                "seconds": kernel.seconds,
                "share": _share(kernel, total or 0.0),
                "launches": kernel.launches,
            }
            for kernel in kernels(measurement)
        ],
    }


def _total(measurement: Measurement) -> float:
    return measurement.readings["kernel_time"][0].value


def _share(kernel: Kernel, total: float) -> float | None:
    return kernel.seconds / total if total else None
