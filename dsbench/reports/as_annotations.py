"""Verdicts as workflow commands, which GitHub shows as annotations of a run."""

from __future__ import annotations

from collections.abc import Iterable

from dsbench.gate import Outcome, Verdict
from dsbench.reports.plain import clean
from dsbench.reports.verdicts import by_seriousness, counts, sentence

LEVELS = {
    Outcome.MISSING: "error",
    Outcome.BROKEN: "error",
    Outcome.UNBUILT: "error",
    Outcome.WORSE: "error",
    Outcome.INCONCLUSIVE: "warning",
    Outcome.BETTER: "notice",
}


def verdicts_annotations(verdicts: Iterable[Verdict]) -> str:
    """A command a verdict that is worth one, the most serious first, and a last one with the counts.

    Source: GitHub's "Workflow commands", section "Setting an error message".
    """
    found = by_seriousness(verdicts)
    lines = [
        _command(level, f"{verdict.outcome}: {verdict.case.name}", sentence(verdict))
        for verdict in found
        if (level := "notice" if verdict.acknowledged else LEVELS.get(verdict.outcome))
    ]
    return "\n".join([*lines, _command("notice", "dsbench", counts(found))]) + "\n"


def _command(level: str, title: str, message: str) -> str:
    escaped = clean(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={escaped}::{clean(message).replace('%', '%25')}"
