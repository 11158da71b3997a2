"""The command that repeats a measurement, from the settings of its run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from dsbench.records import Case, Run


def command(run: Run, case: Case) -> tuple[str, ...]:
    """The words of the command that measures one case of a run again.

    The same seed and rounds give the same inputs. What was measured beside it is left out, so the
    order in which candidates take turns is not the same. A run of ``dsbench verify`` is repeated by that.
    """
    before, after = around(run)
    return (*before, *only(case), *after)


def only(case: Case) -> tuple[str, ...]:
    """The words that choose a case and nothing else."""
    return (case.suite, "-k", exactly(case))


def around(run: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands before and after the words of a case in the commands that repeat those of a run."""
    settings, device = run.settings, run.environment.device
    budget: Mapping[str, Any] = settings.get("budget") or {}
    once = bool(budget.get("once"))
    words = ["--backend", device.backend, "--device", str(device.index)]
    if not once:
        words += _given("--rounds", settings.get("rounds"))
    words += _given("--seed", settings.get("seed"))
    words += _given("--timeout", settings.get("timeout"))
    if not once:
        words += _given("--min-time", budget.get("min_time"))
        words += _given("--max-noise", budget.get("max_noise"))
    words += ["--quick"] if run.quick else []
    words += _given("--suites", settings.get("suites") or None)
    if once:
        return ("dsbench", "verify"), tuple(words)
    for probe in settings.get("probes") or ():
        words += ["--probe", str(probe)]
    words += _given("--reference", settings.get("reference") or None)
    words += ["--graph"] if budget.get("graph") else []
    words += _given("--affinity", ",".join(map(str, settings.get("affinity") or ())) or None)
    words += _given("--machine", settings.get("machine") or None)
    return ("dsbench", "run"), (*words, "--no-record")


def exactly(case: Case) -> str:
    """The filter that matches this case and no other.

    The name as it stands would match longer names too, and as a regular expression others still:
    ``topk[N=16]`` matches ``topk1``.
    """
    return f"^{re.escape(case.name)}$"


def command_line(run: Run, case: Case) -> str:
    """`command` as it is typed into a shell."""
    return shlex.join(command(run, case))


def _given(option: str, value: object) -> list[str]:
    return [] if value is None else [option, str(value)]
