"""Verdicts as JUnit XML, which CI systems show as tests: a suite of benchmarks, a test a case and metric."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from dsbench.gate import Outcome, Verdict
from dsbench.reports.plain import clean
from dsbench.reports.verdicts import by_seriousness, sentence

FAILURES = (Outcome.WORSE,)
ERRORS = (Outcome.MISSING, Outcome.BROKEN, Outcome.UNBUILT)
SKIPS = (Outcome.INCONCLUSIVE, Outcome.NEW)


def verdicts_junit(verdicts: Iterable[Verdict], strict: bool) -> str:
    """The document. Worse is a failure; missing, broken and unbuilt are errors; inconclusive and new are
    skipped, and with `strict` inconclusive is a failure too. What was acknowledged is skipped.

    Source: the schema of Jenkins' xUnit plugin, https://github.com/jenkinsci/xunit-plugin.
    """
    root = ElementTree.Element("testsuites", name="dsbench")
    suites: dict[str, ElementTree.Element] = {}
    counted: dict[str, dict[str, int]] = {}
    for verdict in by_seriousness(verdicts):
        name = verdict.case.suite
        if name not in suites:
            suites[name] = ElementTree.SubElement(root, "testsuite", name=clean(name))
            counted[name] = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        suite, counts = suites[name], counted[name]
        counts["tests"] += 1
        title = " ".join(filter(None, (verdict.case.name, verdict.metric)))
        case = ElementTree.SubElement(suite, "testcase", classname=clean(name), name=clean(title))
        accepted = bool(verdict.acknowledged)
        fails = verdict.outcome in FAILURES or (strict and verdict.outcome is Outcome.INCONCLUSIVE)
        for tag, total, holds in (
            ("failure", "failures", fails and not accepted),
            ("error", "errors", verdict.outcome in ERRORS and not accepted),
            ("skipped", "skipped", accepted or (verdict.outcome in SKIPS and not fails)),
        ):
            if holds:
                counts[total] += 1
                ElementTree.SubElement(case, tag, message=f"{verdict.outcome}: {sentence(verdict)}")
    for name, suite in suites.items():
        suite.attrib |= {key: str(number) for key, number in counted[name].items()}
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
