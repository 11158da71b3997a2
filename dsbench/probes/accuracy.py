"""The probe `accuracy`: how many of a task's items a candidate gets right, beside the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from dsbench.probes.prepared import TIMED, Budget, Prepared
from dsbench.records import Measurement, Sample, Status
from dsbench.registry import resolve

SIZES = {"bytes": "model_size", "bytes_without_embeddings": "model_size_without_embeddings"}
"""What a candidate may say of its size, and the reading it becomes."""


@dataclass(frozen=True)
class Answers:
    """Which items were answered right, and the model's sizes in bytes where they are known."""

    correct: Sequence[bool]
    sizes: Mapping[str, float]

    @property
    def wrong(self) -> list[float]:
        """The items that were not, by number."""
        return [float(number) for number, right in enumerate(self.correct) if not right]


def measure_accuracy(prepared: Prepared, budget: Budget) -> Measurement:
    """Asks the candidate once a round for its answers; a round draws a seed of its own.

    The candidate returns a mapping: ``correct`` says of each item whether it was right, and ``bytes`` and
    ``bytes_without_embeddings`` may say how large its model is. The items have to be the same in every
    round, and in the same order, since they are paired by number: with those that the benchmark's baseline
    answers from the same inputs, and over rounds. Kept are the numbers of the items that were wrong
    (``wrong`` and ``baseline_wrong``) and how many there are (``items``), from which all else follows.

    Raises:
        ValueError: what was returned is no such mapping, or not of as many items as the baseline's.
    """
    del budget  # answers are not timed
    found = _answers(prepared)
    if found is None:
        return prepared.failure("accuracy", Status.WRONG, "the call changed its inputs")
    readings: dict[str, list[float | Sample]] = {
        "accuracy": [fmean(found.correct)],
        "items": [float(len(found.correct))],
        "wrong": [*found.wrong],
        **{SIZES[name]: [size] for name, size in found.sizes.items()},
    }
    if prepared.case.candidate != prepared.workload.benchmark.baseline:
        readings |= _beside_baseline(prepared, found)
    return prepared.measurement("accuracy", readings)


def _beside_baseline(prepared: Prepared, found: Answers) -> dict[str, list[float | Sample]]:
    name = prepared.workload.benchmark.baseline
    function = resolve(prepared.workload.benchmark.candidates[name].function)
    case = replace(prepared.case, candidate=name)
    base = _answers(Prepared(case, prepared.workload, prepared.round, function))
    if base is None:
        raise ValueError(f"the baseline '{name}' changed its inputs, so that nothing can be held against it")
    if len(base.correct) != len(found.correct):
        raise ValueError(f"{len(found.correct)} items were answered, {len(base.correct)} by the baseline")
    return {
        "accuracy_difference": [fmean(found.correct) - fmean(base.correct)],
        "baseline_wrong": [*base.wrong],
        **{
            SIZES[name].replace("model_size", "size_ratio"): [size / base.sizes[name]]
            for name, size in found.sizes.items()
            if base.sizes.get(name)
        },
    }


def _answers(prepared: Prepared) -> Answers | None:
    """What the candidate answers, asked once a workload; None when it changed its inputs."""
    known, name = prepared.workload.answered, prepared.case.candidate
    if name not in known:
        known[name] = _ask(prepared)
    answers: Answers | None = known[name]
    return answers


def _ask(prepared: Prepared) -> Answers | None:
    inputs, backend = prepared.inputs(TIMED), prepared.backend
    untouched = backend.copy(inputs)
    returned: Any = prepared.function(**inputs)
    if not backend.identical(inputs, untouched):
        prepared.workload.forget()
        return None
    if not isinstance(returned, Mapping) or "correct" not in returned:
        raise ValueError(
            "the probe 'accuracy' wants a mapping with 'correct', a list that says of each item whether it "
            f"was answered right, and got {type(returned).__name__}"
        )
    correct = returned["correct"]
    listed = [bool(right) for right in (correct.tolist() if hasattr(correct, "tolist") else correct)]
    if not listed:
        raise ValueError("no item was answered: 'correct' is empty")
    return Answers(listed, {name: float(returned[name]) for name in SIZES if name in returned})
