"""The reference models of attention: right, sparse where they say so, and honest about their cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention.flex_attention import BlockMask
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from reference_models.attention import block_topk, dense, flex, flex_blocks, sdpa, token_topk
from reference_models.attention.inputs import qkv
from reference_models.attention.precision import tolerance
from reference_models.attention.ranking import Budget
from reference_models.attention.seen import last_seen, unseen

Model = Callable[..., torch.Tensor]

EXACT: dict[str, Model] = {
    "dense_eager": dense.attention,
    "sdpa": sdpa.attention,
    "sdpa_math": sdpa.math,
    "sdpa_flash": sdpa.flash,
}
SPARSE: dict[str, tuple[Model, Model]] = {
    "topk_masked": (token_topk.masked, token_topk.masked_reference),
    "topk_gathered": (token_topk.gathered, token_topk.gathered_reference),
    "block_topk": (block_topk.attention, block_topk.SHARE.reference),
}
EVERY: dict[str, tuple[Model, Model]] = {
    name: (model, dense.oracle) for name, model in EXACT.items()
} | SPARSE

every_model = pytest.mark.parametrize("name", EVERY)
causal_or_not = pytest.mark.parametrize("causal", [True, False])


def error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual.double() - expected.double()).norm() / expected.double().norm())


@every_model
@pytest.mark.parametrize(("N", "heads"), [(1, 3), (63, 1), (64, 3), (65, 1), (65, 3), (200, 1), (600, 3)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@causal_or_not
def test_every_model_computes_what_it_means_to(
    name: str, N: int, heads: int, dtype: str, causal: bool
) -> None:
    model, reference = EVERY[name]
    inputs = qkv(N, 64, dtype, "cpu", seed=1, heads=heads)
    out = model(**inputs, causal=causal)
    assert out.shape == inputs["q"].shape
    assert out.dtype == inputs["q"].dtype
    assert error(out, reference(**inputs, causal=causal)) <= tolerance(dtype)


@every_model
@causal_or_not
def test_a_batch_of_several_is_each_of_them_by_itself(name: str, causal: bool) -> None:
    model = EVERY[name][0]
    singles = [qkv(100, 64, "float32", "cpu", seed, heads=2) for seed in (1, 2)]
    batch = {key: torch.cat([single[key] for single in singles]) for key in ("q", "k", "v")}
    expected = torch.cat([model(**single, causal=causal) for single in singles])
    assert error(model(**batch, causal=causal), expected) <= tolerance("float32")


@every_model
@causal_or_not
def test_inputs_are_left_as_they_were(name: str, causal: bool) -> None:
    inputs = qkv(100, 64, "float32", "cpu", seed=1, heads=2)
    before = {key: tensor.clone() for key, tensor in inputs.items()}
    EVERY[name][0](**inputs, causal=causal)
    assert all(torch.equal(inputs[key], before[key]) for key in before)


@every_model
def test_a_causal_query_gets_nothing_of_later_values(name: str) -> None:
    model = EVERY[name][0]
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=2)
    out = model(**inputs, causal=True)
    inputs["v"][:, :, 130:] = 1e3
    assert torch.equal(model(**inputs, causal=True)[:, :, :130], out[:, :, :130])


@every_model
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_first_causal_query_sees_its_own_key_alone(name: str, dtype: str) -> None:
    inputs = qkv(200, 64, dtype, "cpu", seed=1, heads=2)
    out = EVERY[name][0](**inputs, causal=True)
    assert bool(out.isfinite().all())
    assert torch.equal(out[:, :, 0], inputs["v"][:, :, 0])


@causal_or_not
def test_the_oracle_is_attention_in_double_precision_also_in_chunks(causal: bool) -> None:
    inputs = qkv(1000, 64, "bfloat16", "cpu", seed=1)
    q, k, v = (inputs[name].double() for name in ("q", "k", "v"))
    out = dense.oracle(**inputs, causal=causal)
    assert out.dtype == torch.float64
    assert error(out, scaled_dot_product_attention(q, k, v, is_causal=causal)) < 1e-14


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_causal_mask_that_is_off_by_one_is_out_of_tolerance(dtype: str) -> None:
    inputs = qkv(1024, 64, dtype, "cpu", seed=1, heads=2)
    shifted = torch.ones(1024, 1024, dtype=torch.bool).tril(1)
    wrong = scaled_dot_product_attention(**_named(inputs), attn_mask=shifted)
    assert error(wrong, dense.oracle(**inputs, causal=True)) > 2 * tolerance(dtype)


def _named(inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {"query": inputs["q"], "key": inputs["k"], "value": inputs["v"]}


# Kernels


class Operators(TorchDispatchMode):
    """The names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("model", "fused"),
    [(sdpa.flash, ["aten._scaled_dot_product_flash_attention_for_cpu.default"]), (sdpa.math, [])],
)
def test_sdpa_runs_the_kernel_that_was_asked_for(model: Model, fused: list[str]) -> None:
    inputs = qkv(64, 64, "float32", "cpu", seed=1, heads=2)
    with Operators() as operators:
        model(**inputs, causal=True)
    assert [name for name in operators.names if "attention" in name] == fused


@pytest.mark.parametrize(("model", "kernel"), [(sdpa.efficient, "efficient"), (sdpa.cudnn, "cudnn")])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_kernel_that_the_cpu_lacks_is_not_implemented(model: Model, kernel: str, dtype: str) -> None:
    inputs = qkv(64, 64, dtype, "cpu", seed=1, heads=2)
    with pytest.raises(NotImplementedError, match=rf"no {kernel} attention kernel for cpu/{dtype}"):
        model(**inputs, causal=True)


def test_a_kernel_that_cannot_do_the_inputs_is_not_implemented() -> None:
    inputs = qkv(64, 64, "float32", "cpu", seed=1, heads=2)
    inputs["v"] = inputs["v"][..., :32]
    with pytest.raises(NotImplementedError, match="no flash attention kernel for cpu/float32 with D=64"):
        sdpa.flash(**inputs, causal=True)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("queries", "groups"), [(70, 2), (1, 4), (5, 2)])
@pytest.mark.parametrize("lengths", [None, [70, 33]])
@causal_or_not
def test_dense_models_take_grouped_heads_a_cache_and_lengths(
    name: str, queries: int, groups: int, lengths: list[int] | None, causal: bool
) -> None:
    parts = [qkv(70, 64, "float32", "cpu", seed, heads=4) for seed in (1, 2)]
    q, k, v = (torch.cat([part[key] for part in parts]) for key in ("q", "k", "v"))
    given = {"q": q[:, :, -queries:], "k": k[:, :groups], "v": v[:, :groups], "causal": causal}
    limits = None if lengths is None else torch.tensor(lengths)
    out = EXACT[name](**given, lengths=limits)
    assert error(out, dense.oracle(**given, lengths=limits)) <= tolerance("float32")


# Importing inductor makes torch warn of what torch itself still uses.
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_flex_attention_is_dense_attention() -> None:
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=1)
    assert error(flex.attention(**inputs, causal=True), dense.oracle(**inputs, causal=True)) <= tolerance(
        "float32"
    )


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_flex_attention_over_blocks_is_the_oracle_on_them() -> None:
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=2)
    selection = block_topk.select(
        inputs["q"], inputs["k"], True, block=32, rows=32, budget=Budget(0, least=3)
    )
    out = flex_blocks.attend(**inputs, causal=True, selection=selection)
    assert error(out, dense.oracle(**inputs, causal=True, selection=selection)) <= tolerance("float32")


@causal_or_not
@pytest.mark.parametrize("groups", [2, 1])
def test_the_blocks_given_to_flex_attention_are_those_selected(causal: bool, groups: int) -> None:
    q = torch.randn(1, 2, 90, 16, requires_grad=True)
    k = torch.randn(1, groups, 90, 16)
    selection = block_topk.select(q, k, causal, block=16, rows=32, budget=Budget(0, least=3))
    blocks = flex_blocks.block_mask(q, k, causal, selection)
    visited = blocks.to_dense().bool().repeat_interleave(32, 2).repeat_interleave(16, 3)[:, :, :90, :90]
    assert torch.equal(visited, selection.mask(slice(0, 90), 90))
    # In blocks that are visited without a mask every query sees every key.
    assert blocks.full_kv_num_blocks is not None
    whole = BlockMask.from_kv_blocks(
        blocks.full_kv_num_blocks, blocks.full_kv_indices, BLOCK_SIZE=(32, 16)
    ).to_dense()
    last = last_seen(q, k, causal)
    unmasked = whole.bool().repeat_interleave(32, 2).repeat_interleave(16, 3)[:, :, :90, :90]
    assert not (unmasked & unseen(last, 90)).any()
    assert unmasked.any()


def test_flex_attention_over_blocks_that_are_too_small_is_not_implemented() -> None:
    inputs = qkv(64, 64, "float32", "cpu", seed=1, heads=1)
    selection = block_topk.select(inputs["q"], inputs["k"], True, block=8, rows=1)
    with pytest.raises(NotImplementedError, match="no kernel for blocks of 8 by 1 queries"):
        flex_blocks.attend(**inputs, causal=True, selection=selection)


def test_flex_attention_without_a_compiler_is_not_implemented(tmp_path: Path) -> None:
    program = (
        "from reference_models.attention import flex, inputs\n"
        "try: flex.attention(**inputs.qkv(64, 64, 'float32', 'cpu', 1, heads=1), causal=False)\n"
        "except NotImplementedError as error: print(error)\n"
    )
    environment = {**os.environ, "CXX": str(tmp_path / "c++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "FlexAttention cannot be compiled here: No working C++ compiler found" in done.stdout
