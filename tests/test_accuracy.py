"""The probe `accuracy`: what it keeps of the answers, and what its metrics make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dsbench.backends.fake import FakeBackend
from dsbench.gate import Outcome, judge
from dsbench.items import answers, gained
from dsbench.metrics import evaluate
from dsbench.probes import RUN, Budget, Prepared, Workload
from dsbench.records import Measurement, Status, merge_rounds
from dsbench.registry import Candidate, benchmark, resolve

RIGHT = {0: [True, True, True, False], 1: [True, True, False, True]}
"""What the baseline answers in each round."""


def asked(candidates: Mapping[str, Callable[..., Any]], name: str, rounds: int = 2) -> list[Measurement]:
    """What the probe says of a candidate, a measurement a round; the inputs are the round's number."""

    def task(device: str, seed: int) -> Mapping[str, Any]:
        return {"number": [seed // 3]}

    declared = benchmark(
        candidates={key: Candidate(function) for key, function in candidates.items()},
        baseline="base",
        probes=("accuracy",),
    )(task)
    case = next(case for case in declared.cases("fake", quick=False) if case.candidate == name)
    found = []
    for number in range(rounds):
        workload = Workload(declared, case, FakeBackend(), seed=3 * number)
        ready = Prepared(case, workload, number, resolve(declared.candidates[name].function))
        found.append(RUN["accuracy"](ready, Budget()))
    return found


def base(number: list[int]) -> dict[str, Any]:
    return {"correct": RIGHT[number[0]], "bytes": 400, "bytes_without_embeddings": 300}


def other(number: list[int]) -> dict[str, Any]:
    return {"correct": [True, False, True, False], "bytes": 100, "bytes_without_embeddings": 100}


def test_which_items_were_wrong_is_kept_by_number_and_round() -> None:
    (found,) = merge_rounds(asked({"base": base, "other": other}, "other"))
    assert answers(found) == [[1.0, 0.0, 1.0, 0.0]] * 2
    assert answers(found, "baseline_wrong") == [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]]
    assert gained(found) == [[0.0, -1.0, 0.0, 0.0], [0.0, -1.0, 1.0, -1.0]]
    assert gained(Measurement.from_json(found.to_json())) == gained(found)


def test_metrics_are_shares_of_items_differences_to_the_baseline_and_sizes() -> None:
    (found,) = merge_rounds(asked({"base": base, "other": other}, "other"))
    metrics = evaluate(found)
    assert metrics["accuracy"].value == pytest.approx(4 / 8)
    assert metrics["accuracy_difference"].value == pytest.approx(-2 / 8)
    assert metrics["size_ratio"].value == pytest.approx(1 / 4)
    assert metrics["size_ratio_without_embeddings"].value == pytest.approx(1 / 3)
    assert metrics["model_size"].value == 100.0


def test_the_baseline_has_no_difference_to_itself_and_is_asked_once_a_round() -> None:
    calls = []

    def counted(number: list[int]) -> dict[str, Any]:
        calls.append(number[0])
        return base(number)

    (found,) = merge_rounds(asked({"base": counted, "other": other}, "base"))
    assert set(evaluate(found)) == {"accuracy", "model_size"}
    assert calls == [0, 1]


def test_a_round_without_a_wrong_answer_counts() -> None:
    (found,) = merge_rounds(asked({"base": lambda number: {"correct": [number[0] == 0] * 3}}, "base"))
    assert answers(found) == [[1.0] * 3, [0.0] * 3]
    assert evaluate(found)["accuracy"].value == 0.5


def test_a_candidate_that_changes_its_inputs_is_wrong() -> None:
    def changes(number: list[int]) -> dict[str, Any]:
        number[0] += 1
        return {"correct": [True]}

    found = asked({"base": base, "it": changes}, "it", rounds=1)[0]
    assert (found.status, found.reason) == (Status.WRONG, "the call changed its inputs")


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([True], "wants a mapping with 'correct'"),
        ({"right": [True]}, "wants a mapping with 'correct'"),
        ({"correct": []}, "no item was answered"),
        ({"correct": [True] * 3}, "3 items were answered, 4 by the baseline"),
    ],
)
def test_answers_that_cannot_be_counted_say_why(returned: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        asked({"base": base, "it": lambda number: returned}, "it")


def test_a_baseline_that_changes_its_inputs_leaves_nothing_to_be_held_against() -> None:
    def changes(number: list[int]) -> dict[str, Any]:
        number.append(1)
        return {"correct": [True] * 4}

    with pytest.raises(ValueError, match="the baseline 'base' changed its inputs"):
        asked({"base": changes, "it": other}, "it")


def test_no_benchmark_is_asked_for_it_that_does_not_declare_it() -> None:
    def inputs(device: str, seed: int) -> Mapping[str, Any]:
        return {}

    timed = benchmark(candidates={"base": base}, baseline="base")(inputs)
    assert timed.asked(["accuracy", "latency"]) == ("latency",)


def test_the_gate_calls_a_point_of_accuracy_less_worse_and_a_tenth_of_one_the_same() -> None:
    def right(count: int) -> Measurement:
        answer = {"correct": [True] * count + [False] * (1000 - count), "bytes": 100}
        return asked({"base": lambda number: {"correct": [True] * 1000}, "it": lambda number: answer}, "it")[
            0
        ]

    def outcomes(new: int) -> dict[str, Outcome]:
        return {verdict.metric: verdict.outcome for verdict in judge([right(new)], [right(970)])}

    assert outcomes(969) == {"accuracy": Outcome.SAME, "accuracy_difference": Outcome.SAME}
    assert outcomes(950) == {"accuracy": Outcome.WORSE, "accuracy_difference": Outcome.WORSE}
    assert outcomes(990) == {"accuracy": Outcome.BETTER, "accuracy_difference": Outcome.BETTER}
