"""Training with rounding: deterministic, honest about its inputs, and able to repair what PTQ breaks."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from dsbench.backends import UnsupportedError
from dsbench.registry import builtin_suites
from reference_models.quantization import arms, with_torchao
from reference_models.quantization.models import build
from reference_models.quantization.training import train

sys.path.append(str(builtin_suites()))
import _digits


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return _digits.task("mlp", "cpu", seed=0, steps=120, further=60)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def share(found: dict[str, Any]) -> float:
    return float(found["correct"].double().mean())


def test_the_items_are_the_same_for_every_seed_and_split_in_halves(given: dict[str, Any]) -> None:
    (images, labels), (others, _) = _digits.load("cpu")
    assert (len(labels), len(others)) == (898, 899)
    assert torch.equal(images, given["train"][0])
    assert float(images.min()) == 0.0
    assert float(images.max()) == 1.0
    assert not {tuple(row) for row in images.tolist()} & {tuple(row) for row in others.tolist()}


def test_a_seed_stands_for_one_model_to_the_last_bit_on_any_number_of_threads() -> None:
    images, labels = _digits.load("cpu")[0]
    trained = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        model = build("mlp", seed=3)
        train(model, images, labels, steps=20, seed=5)
        assert torch.get_num_threads() == threads
        trained.append(model.state_dict())
    torch.set_num_threads(1)
    first, second = trained
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build("mlp", seed=4).state_dict()
    assert not torch.equal(other["0.weight"], build("mlp", seed=3).state_dict()["0.weight"])


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="mlp, cnn, transformer"):
        build("resnet", seed=0)


def test_training_with_rounding_repairs_what_rounding_to_two_bits_breaks(given: dict[str, Any]) -> None:
    whole = share(arms.float32(**given))
    broken, repaired = share(arms.ptq_w2a8(**given)), share(arms.qat_w2a8(**given))
    assert whole > 0.93
    assert broken < whole - 0.03
    assert repaired > whole - 0.02


def test_eight_bits_keep_nearly_every_answer(given: dict[str, Any]) -> None:
    right = arms.float32(**given)["correct"]
    for arm in (arms.bfloat16, arms.ptq_w8a8, arms.ptq_w8a8_tensor, with_torchao.ptq):
        assert int((arm(**given)["correct"] != right).sum()) <= 5, arm


@pytest.mark.parametrize(
    "arm", [arms.control, arms.qat_w8a8, arms.qat_w8a8_tensor, with_torchao.ptq, with_torchao.qat]
)
def test_an_arm_leaves_the_model_as_it_was_and_repeats_itself(arm: Any, given: dict[str, Any]) -> None:
    before = copy.deepcopy(given["model"].state_dict())
    short = {**given, "steps": 5}
    first, second = arm(**short), arm(**short)
    assert torch.equal(first["correct"], second["correct"])
    assert all(torch.equal(before[name], tensor) for name, tensor in given["model"].state_dict().items())


def test_what_torchao_trains_with_is_what_it_converts_to(given: dict[str, Any]) -> None:
    images = given["test"][0]
    fake = with_torchao.trainable(given["model"]).eval()
    with torch.no_grad():
        promised, kept = fake(images), with_torchao.converted(fake)(images)
        symmetric = with_torchao.quantized(given["model"])(images)
    assert float((kept - promised).norm() / promised.norm()) < 1e-5
    assert float((symmetric - promised).norm() / promised.norm()) > 1e-4


def test_without_scikit_learn_the_task_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'dsbench\[tasks\]'"):
        _digits.load("cpu")


def test_without_torchao_its_arms_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(NotImplementedError, match=r"pip install 'dsbench\[torchao\]'"):
        with_torchao.ptq(**given)
