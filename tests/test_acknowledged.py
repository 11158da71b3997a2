"""Accepted changes: what an acknowledgement covers, when it ends, and the command that makes one."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from cli_rigs import FAKE, STEADY, Commit, Dsbench
from make_runs import slowed

from dsbench.acknowledged import Ack, AckError, accept, identity, mark, read, write
from dsbench.gate import Judged, Outcome, Verdict, exit_code
from dsbench.records import Case
from dsbench.reports import render_verdicts
from dsbench.stats.intervals import Estimate

CASE = Case("s", "b", "slow")
TODAY = date(2027, 1, 15)
JUDGED = Judged("m1/cpu", commit="c2", baseline="c1")


def worse(change: float, metric: str = "latency", case: Case = CASE) -> Verdict:
    return Verdict(
        Outcome.WORSE, case, metric, after=Estimate(1 + change), change=Estimate(change), threshold=0.01
    )


def accepted(verdict: Verdict, until: str = "never", judged: Judged = JUDGED) -> Ack:
    (named,) = mark([verdict], [], judged, never, TODAY)
    return accept(named, judged, "exact softmax", until, TODAY)


def never(old: str, new: str) -> bool:
    return False


def covered(
    ack: Ack, verdict: Verdict, judged: Judged = JUDGED, today: date = TODAY, contained: bool = False
) -> bool:
    (found,) = mark([verdict], [ack], judged, lambda old, new: contained, today)
    return bool(found.acknowledged)


def test_a_change_that_was_accepted_stays_visible_and_does_not_fail() -> None:
    (found,) = mark([worse(0.1)], [accepted(worse(0.1))], JUDGED, never, TODAY)
    assert found.outcome is Outcome.WORSE
    assert found.acknowledged == "exact softmax (accepted on 2027-01-15)"
    assert exit_code([found], strict=True) == 0


@pytest.mark.parametrize(("change", "covers"), [(0.05, True), (0.1, True), (0.105, True), (0.13, False)])
def test_a_change_is_covered_up_to_the_size_that_was_accepted(change: float, covers: bool) -> None:
    assert covered(accepted(worse(0.1)), worse(change)) is covers


def test_something_from_nothing_is_covered_up_to_the_value_it_had() -> None:
    first, larger = (
        Verdict(Outcome.WORSE, CASE, "error", after=Estimate(value), threshold=0.05) for value in (1e-3, 1e-2)
    )
    assert covered(accepted(first), first)
    assert not covered(accepted(first), larger)


def test_a_failure_is_covered_while_it_fails_the_same_way() -> None:
    first, alike, other = (
        Verdict(Outcome.BROKEN, CASE, reason=reason)
        for reason in ("latency: oom: 3.5 GiB", "latency: oom: 3.7 GiB", "latency: wrong: NaN")
    )
    assert covered(accepted(first), alike)
    assert not covered(accepted(first), other)


@pytest.mark.parametrize(
    "other",
    [
        worse(0.1, metric="latency_cold"),
        worse(0.1, case=Case("s", "b", "other")),
        worse(0.1, case=Case("s", "b", "slow", version=2)),
    ],
)
def test_another_metric_case_or_version_is_not_covered(other: Verdict) -> None:
    assert not covered(accepted(worse(0.1)), other)


def test_another_machine_is_not_covered() -> None:
    assert not covered(accepted(worse(0.1)), worse(0.1), Judged("m2/cpu", "c2", "c1"))


def lapsed(ack: Ack, verdict: Verdict, judged: Judged = JUDGED, today: date = TODAY) -> str:
    (found,) = mark([verdict], [ack], judged, lambda old, new: True, today)
    return found.lapsed


def test_it_ends_after_its_last_day() -> None:
    ack = accepted(worse(0.1), until="2027-01-31")
    assert covered(ack, worse(0.1), today=date(2027, 1, 31))
    assert not covered(ack, worse(0.1), today=date(2027, 2, 1))


def test_what_no_longer_covers_a_change_is_named_beside_it_with_the_reason() -> None:
    ack = accepted(worse(0.1), until="2027-01-31")
    told = "exact softmax (accepted on 2027-01-15 until 2027-01-31), which"
    moved = Judged("m1/cpu", commit="c3", baseline="c2")
    assert lapsed(ack, worse(0.1)) == ""
    assert lapsed(ack, worse(0.1), today=date(2027, 2, 1)) == f"{told} ended on 2027-01-31"
    assert lapsed(ack, worse(0.3)) == f"{told} was of a smaller change"
    spent = f"{told} was given at commit c2, which the baseline holds by now"
    assert lapsed(ack, worse(0.1), moved) == spent
    found = mark([worse(0.1)], [ack], moved, lambda old, new: True, TODAY)
    for style in ("table", "markdown", "json", "junit", "github"):
        text = " ".join(render_verdicts(found, style, exit_code=1).split())
        assert "which the baseline holds by now" in text


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(Outcome.BROKEN, CASE, reason="latency: oom: 3.5 GiB", probe="latency"),
        Verdict(Outcome.WORSE, CASE, "leak_slope", after=Estimate(4096.0), standing=True),
    ],
)
def test_that_of_a_failure_or_a_leak_outlasts_a_baseline_that_has_it(verdict: Verdict) -> None:
    moved = Judged("m1/cpu", commit="c3", baseline="c2")
    assert covered(accepted(verdict), verdict, moved, contained=True)


def test_two_probes_of_a_case_that_are_missing_or_fail_have_an_id_each() -> None:
    for outcome in (Outcome.MISSING, Outcome.BROKEN):
        latency, memory = (Verdict(outcome, CASE, reason="gone", probe=p) for p in ("latency", "memory"))
        assert identity(latency, "m") != identity(memory, "m")
        ack = accepted(latency)
        assert ack.metric == "latency"
        assert not covered(ack, memory)


def test_it_is_spent_once_the_baseline_holds_the_commit_it_was_given_at() -> None:
    moved = Judged("m1/cpu", commit="c3", baseline="c2")
    assert not covered(accepted(worse(0.1)), worse(0.1), moved, contained=True)
    assert covered(accepted(worse(0.1)), worse(0.1), moved, contained=False)
    uncommitted = accepted(worse(0.1), judged=Judged("m1/cpu", "", "c1"))
    assert covered(uncommitted, worse(0.1), moved, contained=True)


@pytest.mark.parametrize(
    ("outcome", "reason", "until", "told"),
    [
        (Outcome.SAME, "why not", "never", "nothing to accept"),
        (Outcome.WORSE, " ", "never", "empty --reason"),
        (Outcome.WORSE, "why", "soon", "2027-01-31, or never"),
        (Outcome.WORSE, "why", "2026-01-01", "is past"),
    ],
)
def test_what_cannot_be_accepted_is_refused(outcome: Outcome, reason: str, until: str, told: str) -> None:
    with pytest.raises(AckError, match=told):
        accept(Verdict(outcome, CASE, "latency"), JUDGED, reason, until, TODAY)


def test_accepting_again_replaces_and_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write(accepted(worse(0.1)), tmp_path)
    path = write(accepted(worse(0.3)), tmp_path)
    assert [ack.change for ack in read(tmp_path)] == [0.3]
    path.write_text('{"id": "x"}\n')
    with pytest.raises(AckError, match=r"acknowledged\.jsonl"):
        read(tmp_path)


def test_an_id_is_the_same_whatever_the_size() -> None:
    assert identity(worse(0.1), "m") == identity(worse(0.2), "m") != identity(worse(0.1), "n")


def test_the_command_accepts_what_the_gate_named_until_it_gets_worse(
    dsbench: Dsbench, repository: Commit, folder: Path
) -> None:
    repository("one")
    dsbench("run", *STEADY, *FAKE, "--rounds", "3", "-k", "double.plain.N=1]", "--save", "before")
    for factor in (1.2, 1.6):
        text = (folder / ".dsbench/saved/before.jsonl").read_text()
        (folder / f"slow-{factor}.jsonl").write_text(slowed(text, factor))
    gate = ("gate", "slow-1.2.jsonl", "--baseline", "before")
    first = json.loads(dsbench(*gate, "--format", "json").stdout)
    ids = [verdict["id"] for verdict in first["verdicts"] if verdict["outcome"] == "worse"]
    assert first["exit_code"] == 1
    assert ids[0] in dsbench(*gate).stdout
    assert dsbench("ack", ids[0]).exit_code == 2
    for one in ids:
        done = dsbench("ack", one[:6], "--reason", "exact | softmax", "--until", "never")
        assert done.exit_code == 0, done.stderr
    for style in ("table", "markdown", "json", "junit", "github"):
        again = dsbench(*gate, "--format", style)
        assert again.exit_code == 0
        assert "softmax" in again.stdout
    assert "exact | softmax" in dsbench("ack").stdout
    assert dsbench("gate", "slow-1.6.jsonl", "--baseline", "before").exit_code == 1


def test_the_command_says_in_a_line_what_is_wrong(dsbench: Dsbench, folder: Path) -> None:
    accepting = ("--reason", "why", "--until", "never")
    assert "there is no .dsbench/verdicts.json" in dsbench("ack", "abc", *accepting).stderr
    (folder / "other.json").write_text("[]")
    assert "no JSON report" in dsbench("ack", "abc", *accepting, "--from", "other.json").stderr
    assert dsbench("ack").stdout == "nothing was accepted so far\n"
