"""What a bisection found, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dsbench.culprit import Search
from dsbench.reports.plain import align, clean
from dsbench.reports.units import change, percent
from dsbench.reports.verdicts import sentence
from dsbench.stats.intervals import Estimate

SHOWN = 5
"""Commits that the text lists, the likeliest first."""

Commits = Sequence[tuple[str, str]]
"""The hash and the subject of each commit after the good end, oldest first."""


def bisection_text(search: Search, commits: Commits) -> str:
    """The ends, the likeliest commits with what was measured of them, and the answer."""
    if search.ends is None:
        return "interrupted before the ends were compared\n"
    lines = [f"{clean(search.case.name)}, BAD against GOOD: {search.ends.outcome}, {sentence(search.ends)}"]
    if search.posterior is None:
        return "\n".join([*lines, "there is no change to look for, or it drowns in noise"]) + "\n"
    chances = search.posterior.chances
    rows = []
    for place in sorted(range(len(commits)), key=lambda place: -chances[place])[:SHOWN]:
        ratio, taken = search.ratio(place), len(search.asked.get(place, ()))
        told = search.skipped.get(place) or (f"{taken} pairs" if taken else "not asked")
        measured = change(Estimate(ratio)) if ratio is not None else ""
        commit, subject = commits[place]
        rows.append([percent(chances[place]), commit[:8], measured, clean(told)[:60], clean(subject)[:60]])
    lines += ["", *align(["chance", "commit", "to GOOD", "", "subject"], rows, left=5), ""]
    places, chance = search.found
    named = ", ".join(f"{commits[place][0][:8]} ({clean(commits[place][1])})" for place in places)
    what = "it came with" if len(places) == 1 else "it came with one of"
    sure = "" if search.sure else f"not sure (--confidence {search.confidence:g}): likeliest, "
    end = f"{percent(chance)} sure after {search.pairs} pairs of processes"
    return "\n".join([*lines, f"{sure}{what} {named}; {end}"]) + "\n"


def bisection_json(search: Search, commits: Commits, exit_code: int) -> str:
    """A document of this shape: ``{"type": "bisection", "exit_code", "case", "change", "confidence",
    "chance", "found": [commit], "pairs", "commits": [{"commit", "subject", "chance", "ratio", "pairs",
    "skipped"}]}``, the commits oldest first, numbers null where nothing was measured, `ratio` being the
    relative change to the good end."""
    places, chance = search.found
    ends = search.ends
    document = {
        "type": "bisection",
        "exit_code": exit_code,
        "case": search.case.name,
        "outcome": ends and ends.outcome,
        "change": ends.change.value if ends and ends.change else None,
        "confidence": search.confidence,
        "chance": chance if search.posterior else None,
        "found": [commits[place][0] for place in places] if search.sure else [],
        "pairs": search.pairs,
        "commits": [
            {
                "commit": commit,
                "subject": subject,
                "chance": search.posterior.chances[place] if search.posterior else None,
                "ratio": search.ratio(place),
                "pairs": len(search.asked.get(place, ())),
                "skipped": search.skipped.get(place, ""),
            }
            for place, (commit, subject) in enumerate(commits)
        ],
    }
    return json.dumps(document, allow_nan=False) + "\n"
