"""What pages say of a place: what changed there, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsbench import ceilings, expected
from dsbench.metrics import Metric
from dsbench.reports.site.changed import FEWEST, accepted, changes
from dsbench.reports.site.files import CaseFiles
from dsbench.reports.site.inputs import Manifest, Stored, digest_of
from dsbench.reports.site.landing import place_json
from dsbench.reports.site.machines import machine_json
from dsbench.reports.site.newest import place_key
from dsbench.reports.site.recorded import Recorded
from dsbench.reports.site.runs import Recent


def shown(
    recorded: Recorded,
    runs: Sequence[Stored],
    manifest: Manifest,
    files: CaseFiles,
    index: Mapping[str, int],
    metrics: Mapping[str, Metric],
) -> dict[str, Any]:
    """The place's parts of the landing page and of the page Machines; those of the last build while nothing
    that they are made of has changed.

    Args:
        recorded: reads runs.
        runs: the place's runs, by the time of their commits.
        manifest: of the last build; what is found out is added.
        files: of this site's cases.
        index: the metrics' numbers.
        metrics: those that are shown.

    Raises:
        HistoryError: a side-car can no longer be read.
        OSError: it cannot be opened.
    """
    key, made_of = place_key(runs[-1].place), _made_of(recorded, runs)
    known = manifest.shown.get(key)
    if known is None or not made_of or known["made_of"] != made_of:
        recent = Recent(files, runs, index)
        found = changes(recorded, runs, manifest.green, recent.habit)
        known = {
            "made_of": made_of,
            "landing": place_json(found, runs, recent, index, metrics),
            "machine": machine_json(
                recorded.results, recorded.whole(runs[-1]), recorded.last_good(runs[-FEWEST:]), runs
            ),
        }
        manifest.shown[key] = known
    return known


def _made_of(recorded: Recorded, runs: Sequence[Stored]) -> str:
    """What tells whether pages would say something else; empty where accepted changes depend on the day and
    on the repository."""
    results, where = recorded.results, runs[-1].where
    if accepted(results):
        return ""
    beside = [path_of(results, where) for path_of in (expected.path_of, ceilings.path_of)]
    parts = [path.read_bytes() if path.exists() else b"-" for path in beside]
    return digest_of(b" ".join([*parts, *(f"{run.number}:{run.digest}".encode() for run in runs)]))
