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
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from reference_models.attention import block_topk, dense, flex, sdpa, token_topk
from reference_models.attention.inputs import qkv
from reference_models.attention.precision import tolerance

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


# Importing inductor makes torch warn of what torch itself still uses.
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_flex_attention_is_dense_attention() -> None:
    inputs = qkv(200, 64, "float32", "cpu", seed=1, heads=1)
    assert error(flex.attention(**inputs, causal=True), dense.oracle(**inputs, causal=True)) <= tolerance(
        "float32"
    )


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
