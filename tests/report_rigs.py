"""What the tests of reports share: golden files, hostile texts, and some verdicts.

Golden files lie in ``tests/golden``; ``UPDATE_GOLDEN=1 pytest tests/test_reports*.py`` writes them anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from make_runs import a_case, a_run, an_environment, around, failed, measured

from dsbench.gate import Outcome, Verdict
from dsbench.records import Case, Measurement, Run, Status
from dsbench.stats.intervals import Estimate

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "\"'><img src=https://evil.example/x onerror=alert(3)>",
    "left \u202e right \u200f mark \u2066",
    "bell \x07 and escape \x1b[2J and nul \x00",
    "lone \ud800 surrogate",
    "${title} $body `tick` | pipe ``` \\ [link](https://evil.example) @everyone *bold*",
    "%{x} <a href='https://evil.example'>text</a> &lt;b&gt;",
    "x" * 10_240,
]
"""What a suite, a worker or git could put into a name or a reason."""


def assert_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def strict(text: str) -> Any:
    """Reads JSON that holds neither NaN nor Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def hostile() -> Run:
    """A run in which every text that a suite, a worker or git can choose is hostile."""
    texts = "\n".join(HOSTILE)
    found: list[Measurement] = []
    for text in HOSTILE:
        case = Case(text, text, text, ((text, text), ("N", 1)))
        larger = replace(case, point=((text, text), ("N", 2)))
        found += [
            measured(case, "latency", {"latency": around(1e-3)}, unstable=text, mark=text),
            measured(larger, "latency", {"latency": around(2e-3)}),
            failed(replace(case, candidate=f"{text}2"), "latency", Status.CRASHED, text, detail=texts),
            failed(replace(case, candidate=f"{text}3"), "latency", Status.UNSUPPORTED, text),
        ]
    environment = an_environment(machine=texts, subject=texts, os=texts, versions={texts: texts})
    return a_run(
        found,
        id=HOSTILE[1],
        environment=environment,
        settings={"quick": True, "command": HOSTILE, HOSTILE[1]: HOSTILE[1]},
        suite_errors={texts: texts},
        baselines={f"{text}.{text}": text for text in HOSTILE},
    )


def some_verdicts() -> list[Verdict]:
    case = a_case("flash", N=4096, D=64)
    return [
        Verdict(Outcome.SAME, case, "error", Estimate(2e-7), Estimate(2e-7), Estimate(0.0), 0.05, "equal"),
        Verdict(
            Outcome.WORSE,
            case,
            "latency",
            Estimate(1e-3, 0.99e-3, 1.01e-3),
            Estimate(1.2e-3, 1.19e-3, 1.21e-3),
            Estimate(0.2, 0.18, 0.22),
            0.05,
            "the whole interval is on the bad side",
        ),
        Verdict(
            Outcome.WORSE,
            case,
            "peak_memory",
            Estimate(2.0**20),
            Estimate(2.0**21),
            Estimate(1.0),
            0.02,
            "twice",
        ),
        Verdict(Outcome.MISSING, a_case("math", N=4096, D=64), reason="it is absent now"),
    ]


DIFFERENCE = {"driver": ("550.1", "580.2"), "torch": ("2.12", "2.13")}
