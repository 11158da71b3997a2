"""Gradient accumulation and checkpointing: the same gradients, and the mistakes that give others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing

from dsbench.backends import BACKENDS
from dsbench.probes import Prepared, Workload
from dsbench.probes.prepared import BEFORE
from dsbench.registry import builtin_suites, load, resolve
from reference_models.training import accumulation, checkpointing, mixed
from reference_models.training.distributed import accumulated
from reference_models.training.model import PADDING, inputs, tokens


def distance(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    """Relative, all gradients taken together."""
    apart = sum(float((found[name].double() - wanted[name].double()).square().sum()) for name in wanted)
    return math.sqrt(apart / sum(float(wanted[name].double().square().sum()) for name in wanted))


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return inputs(B=16, N=48, device="cpu", seed=0, width=32)


def test_texts_differ_in_length_and_padding_counts_for_nothing(given: dict[str, Any]) -> None:
    lengths = (given["targets"] != PADDING).sum(-1)
    assert len(set(lengths.tolist())) > 8
    noisy = {**given, "x": torch.where((given["targets"] == PADDING)[..., None], 9.0, given["x"])}
    assert distance(accumulation.whole(**noisy), accumulation.whole(**given)) < 1e-6


@pytest.mark.parametrize("parts", [1, 2, 4, 16])
def test_parts_weighed_by_tokens_give_the_large_batchs_gradient(given: dict[str, Any], parts: int) -> None:
    exact = accumulation.oracle(**given)
    assert distance(accumulation.by_tokens(**given, parts=parts), exact) < 1e-6
    double = {
        "parameters": {name: tensor.double() for name, tensor in given["parameters"].items()},
        "x": given["x"].double(),
        "targets": given["targets"],
    }
    assert distance(accumulation.by_tokens(**double, parts=parts), exact) < 1e-14


def test_a_mean_of_means_is_another_gradient_unless_all_parts_hold_as_many_tokens(
    given: dict[str, Any],
) -> None:
    exact = accumulation.oracle(**given)
    assert distance(accumulation.by_means(**given, parts=8), exact) > 0.1
    full = {**given, "targets": given["targets"].clamp(min=0)}
    assert int(tokens(full["targets"])) == 16 * 48
    assert distance(accumulation.by_means(**full, parts=8), accumulation.oracle(**full)) < 1e-6


def test_a_part_without_tokens_counts_for_nothing(given: dict[str, Any]) -> None:
    empty = {**given, "targets": given["targets"].clone()}
    empty["targets"][:8] = PADDING
    exact = accumulation.oracle(**empty)
    assert distance(accumulation.by_tokens(**empty, parts=2), exact) < 1e-6
    assert all(bool(part.isfinite().all()) for part in accumulation.by_means(**empty, parts=2).values())


def _process(rank: int, folder: str, given: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    mine = {**given, "x": given["x"].chunk(2)[rank], "targets": given["targets"].chunk(2)[rank]}
    found = {fair: accumulated(**mine, parts=4, by_tokens=fair) for fair in (True, False)}
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_that_count_their_tokens_together_give_the_same_gradient(
    given: dict[str, Any], tmp_path: Path
) -> None:
    multiprocessing.spawn(_process, args=(str(tmp_path), given), nprocs=2)
    exact = accumulation.oracle(**given)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for found in (first, second):
        assert distance(found[True], exact) < 1e-6
        assert distance(found[False], exact) > 0.05
    assert distance(first[True], second[True]) == 0.0


def test_checkpointed_gradients_are_the_same_to_the_last_bit_with_dropout(given: dict[str, Any]) -> None:
    plain, again = (arm(**given, seed=3) for arm in (checkpointing.plain, checkpointing.checkpointed))
    assert all(torch.equal(plain[name], again[name]) for name in plain)
    assert distance(checkpointing.plain(**given, seed=4), plain) > 0.01  # dropout does something


def test_one_that_forgets_the_random_numbers_is_found_out(given: dict[str, Any]) -> None:
    plain = checkpointing.plain(**given, seed=3)
    assert distance(checkpointing.forgetful(**given, seed=3), plain) > 0.05


def test_checkpointing_keeps_less_for_the_backward_pass(given: dict[str, Any]) -> None:
    deep = inputs(B=4, N=32, device="cpu", seed=0, width=32, layers=12)
    everything = checkpointing.kept(**deep, seed=0, wrap=lambda made: made)
    little = checkpointing.kept(**deep, seed=0, wrap=checkpointing.remembering)
    assert little < 0.4 * everything


def test_random_numbers_afterwards_are_those_that_would_have_come(given: dict[str, Any]) -> None:
    torch.default_generator.manual_seed(1)
    before = torch.default_generator.get_state()
    checkpointing.checkpointed(**given, seed=3)
    assert torch.equal(torch.default_generator.get_state(), before)


@pytest.mark.parametrize(("arm", "most"), [(mixed.bfloat16, 1e-2), (mixed.float16, 2e-3)])
def test_a_short_format_changes_the_gradient_by_its_rounding_and_keeps_less(
    given: dict[str, Any], arm: Any, most: float
) -> None:
    exact = accumulation.oracle(**given)
    found = arm(**given)
    assert all(part.dtype == torch.float32 for part in found.values())
    assert 1e-5 < distance(found, exact) < most
    whole = checkpointing.held(lambda: accumulation.whole(**given), given["parameters"])
    assert checkpointing.held(lambda: arm(**given), given["parameters"]) < 0.8 * whole


def test_float16_without_a_scale_loses_small_gradients(given: dict[str, Any]) -> None:
    faint = {**given, "x": given["x"] * 1e-3}
    exact = accumulation.oracle(**faint)
    assert distance(mixed.unscaled(**faint), exact) > 3 * distance(mixed.float16(**faint), exact)


def test_every_candidate_of_the_suite_is_right_by_its_own_reference() -> None:
    suite, backend = load(builtin_suites() / "training.py"), BACKENDS["cpu"]()
    errors = {}
    for declared in suite.benchmarks.values():
        cases = declared.cases("cpu", quick=True)
        workload = Workload(declared, cases[0], backend, seed=0)
        for case in cases:
            function = resolve(declared.candidates[case.candidate].function)
            answer = Prepared(case, workload, 0, function).check(BEFORE)
            assert answer.problem == "", case.name
            errors[case.candidate] = answer.error
    assert errors["checkpointed"] == 0.0
    assert errors["by_tokens"] < 1e-6
    assert errors["by_means"] > 0.1
