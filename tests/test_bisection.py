"""Noisy bisection: the posterior, the search over simulated pairs, and the command on a repository."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cli_rigs import Dsbench
from project_rigs import MEASURE, SUITE, commit, git, write

from dsbench.culprit import Search
from dsbench.gate import Outcome
from dsbench.paired_gate import PairedPolicy
from dsbench.pairs import Pair, Pairing, Side
from dsbench.records import Case
from dsbench.reports.bisection import bisection_json, bisection_text
from dsbench.revisions import BuildError, RevisionError, between
from dsbench.stats.bisection import Bisection

CASE = Case("s", "b", "c")


def test_an_answer_moves_the_chances_and_a_contradiction_moves_them_back() -> None:
    found = Bisection(4, wrong=0, trials=12)
    found.answer(1, changed=True)
    first, _, third, _ = found.chances
    assert first > 5 * third
    assert sum(found.chances) == pytest.approx(1)
    found.answer(1, changed=False)
    assert found.chances == pytest.approx([0.25] * 4)


def test_answers_that_were_wrong_in_trials_move_the_chances_less() -> None:
    moved = []
    for wrong in (0, 4):
        found = Bisection(2, wrong=wrong, trials=12)
        found.answer(0, changed=True)
        moved.append(found.chances[0])
    assert moved[0] > 0.9 > moved[1] > 0.6


def test_a_question_splits_the_chances_and_avoids_places_that_cannot_answer() -> None:
    found = Bisection(8, 0, 12)
    assert found.question() == 3
    assert found.question({3}) in (2, 4)
    assert found.question(range(7)) is None
    assert Bisection(1, 0, 12).question() is None


def test_places_that_no_question_can_tell_apart_are_found_together() -> None:
    found = Bisection(4, 0, 12)
    for _ in range(3):
        found.answer(0, changed=False)
        found.answer(2, changed=True)
    places, chance = found.suspects({1})
    assert (list(places), chance > 0.95) == ([1, 2], True)


def test_a_stated_chance_is_kept_over_many_bisections() -> None:
    draw, right, asked = random.Random(3), 0, 0
    for _ in range(200):
        wrong = sum(draw.random() < 0.2 for _ in range(12))
        found, truth = Bisection(16, min(wrong, 6), 12), draw.randrange(16)
        while found.suspects()[1] < 0.95 and (place := found.question()) is not None and asked < 20_000:
            found.answer(place, (truth <= place) != (draw.random() < 0.2))
            asked += 1
        right += truth in found.suspects()[0]
    assert right / 200 > 0.92
    assert asked / 200 < 32


@pytest.mark.parametrize(("count", "wrong", "trials"), [(0, 0, 12), (3, 7, 12)])
def test_what_cannot_be_bisected_is_refused(count: int, wrong: int, trials: int) -> None:
    with pytest.raises(ValueError, match="cannot be bisected"):
        Bisection(count, wrong, trials)


def search(
    sizes: Sequence[float | str], noise: float = 0.005, unbuilt: Sequence[int] = (), seed: int = 1
) -> Search:
    """Over revisions that are slower than the good one by so much, or fail in the way that is named."""
    draw = random.Random(seed)

    def build(revision: str) -> Side:
        if int(revision) in unbuilt:
            raise BuildError("no wheel")
        return Side(revision, Path())

    def measure(
        sides: tuple[Side, Side], cases: Sequence[Case], number: int, pairing: Pairing
    ) -> Iterator[Pair]:
        size = sizes[int(sides[1].name)]
        if isinstance(size, str):
            yield Pair(CASE.name, number, problems={1: (size, size)})
        else:
            ratio = math.log1p(size) + draw.gauss(0, noise)
            yield Pair(CASE.name, number, seconds=(1.0, math.exp(ratio)), log_ratio=ratio)

    names = [str(number) for number in range(len(sizes))]
    good, policy, pairing = Side("good", Path()), PairedPolicy(), Pairing("fake")
    return Search(CASE, good, names, build, pairing, policy, 0.95, 600.0, lambda *_: None, measure)


@pytest.mark.parametrize("size", [0.05, -0.05])
def test_the_revision_that_a_change_came_with_is_found(size: float) -> None:
    found = search([0.0] * 5 + [size] * 8)
    found.run()
    assert found.sure
    assert list(found.found[0]) == [5]
    ratio = found.ratio(5)
    assert ratio is None or ratio == pytest.approx(size, abs=0.01)


def test_noise_costs_more_pairs_and_is_seldom_wrong() -> None:
    results = []
    for seed in range(40):
        found = search([0.0] * 9 + [0.05] * 7, noise=0.02, seed=seed)
        found.run()
        results.append((found.sure, 9 in found.found[0], found.pairs))
    assert sum(right for sure, right, _ in results if sure) >= 36
    assert max(pairs for _, _, pairs in results) < 150


def test_a_failure_is_bisected_as_a_slow_down_is_and_another_failure_is_skipped() -> None:
    found = search([0.0, 0.0, "error", 0.0, "crashed", "crashed"])
    found.run()
    assert found.sure
    assert list(found.found[0]) == [4]
    assert set(found.skipped) <= {2}


def test_revisions_that_cannot_be_built_are_skipped_and_named_together() -> None:
    found = search([0.0] * 4 + [0.1] * 4, unbuilt=[3, 4])
    found.run()
    assert found.sure
    assert list(found.found[0]) == [3, 4, 5]
    assert found.skipped[4] == "cannot be built: no wheel"


@pytest.mark.parametrize(("sizes", "outcome"), [([0.0] * 4, Outcome.SAME), ([0.1], Outcome.WORSE)])
def test_without_a_change_nothing_is_asked_and_one_revision_alone_is_the_one(
    sizes: list[float], outcome: Outcome
) -> None:
    found = search(sizes)
    found.run()
    assert found.ends is not None
    assert (found.ends.outcome, found.sure) == (outcome, outcome is Outcome.WORSE)
    assert list(found.asked) == [len(sizes) - 1]


def named(found: Search) -> list[tuple[str, str]]:
    return [(f"{number:08d}ffff", f"subject {number}") for number in range(len(found.revisions))]


def test_the_report_names_the_commit_how_sure_it_is_and_the_likeliest_others() -> None:
    found = search([0.0] * 5 + [0.05] * 8)
    assert bisection_text(found, named(found)) == "interrupted before the ends were compared\n"
    found.run()
    text = bisection_text(found, named(found))
    assert "it came with 00000005 (subject 5); " in text
    assert "% sure after" in text
    document = json.loads(bisection_json(found, named(found), 0))
    assert document["found"] == ["00000005ffff"]
    assert sum(commit["chance"] for commit in document["commits"]) == pytest.approx(1)
    assert document["commits"][-1]["ratio"] == pytest.approx(0.05, abs=0.01)


def test_the_report_says_when_it_is_not_sure_and_when_there_is_nothing_to_find() -> None:
    found = search([0.0] * 5 + [0.05] * 8)
    found.limit = 0.0
    found.run()
    assert "not sure (--confidence 0.95): likeliest, it came with" in bisection_text(found, named(found))
    none = search([0.0] * 3)
    none.run()
    assert "there is no change to look for" in bisection_text(none, named(none))
    assert json.loads(bisection_json(none, named(none), 5))["found"] == []


def test_between_follows_first_parents_from_an_ancestor(project: Path) -> None:
    git(project, "checkout", "-q", "-b", "side")
    commit(project, "on the side")
    git(project, "checkout", "-q", "main")
    second = commit(project, "second")
    git(project, "merge", "-q", "--no-ff", "-m", "merged", "side")
    assert [subject for _, subject in between("old", "main", project)] == ["second", "merged"]
    for good, bad, told in (
        ("nowhere", "main", "no git revision"),
        (second, "side", "not in the history"),
        ("main", "HEAD", "the same commit"),
    ):
        with pytest.raises(RevisionError, match=told):
            between(good, bad, project)


def crashing(project: Path, line: str, subject: str) -> str:
    text = SUITE.format(seconds="1e-3").replace("    return x\n", f"    {line}\n    return x\n", 1)
    (project / "suites" / "echoes.py").write_text(text)
    return commit(project, subject)


OPTIONS = (*MEASURE[1:], "--seed", "1")


def test_the_command_finds_the_commit_that_made_a_case_crash(project: Path, dsbench: Dsbench) -> None:
    commit(project, "harmless")
    culprit = crashing(project, "__import__('os').abort()", "frees twice")
    crashing(project, "__import__('os').abort()  # still", "more of it")
    done = dsbench("bisect", "echo", "old", "main", *OPTIONS)
    assert done.exit_code == 0, done.output
    assert f"it came with {culprit[:8]} (frees twice); " in done.stdout
    assert list((project / ".dsbench" / "comparisons").glob("*.jsonl"))


def test_the_command_says_in_a_line_what_is_wrong(project: Path, dsbench: Dsbench) -> None:
    write(project, "2e-3")
    commit(project, "second")
    for arguments, code, told in (
        (("echo", "main", "old"), 2, "not in the history of old"),
        (("nothing", "old", "main"), 4, "no case matches"),
    ):
        done = dsbench("bisect", *arguments, *OPTIONS)
        assert (done.exit_code, told in done.stderr) == (code, True), done.output
