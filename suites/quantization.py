"""Fewer bits: what a layer of integers takes beside one of floats, and what models lose by it."""

from __future__ import annotations

from typing import Any

from dsbench.registry import Axis, Candidate, benchmark

LAYER = "reference_models.quantization.linear"
ARMS = "reference_models.quantization.arms"
TORCHAO = "reference_models.quantization.with_torchao"


@benchmark(
    candidates={
        "float32": Candidate(f"{LAYER}:floating", work=f"{LAYER}:work_float32"),
        "bfloat16": Candidate(
            f"{LAYER}:floating",
            prepare=f"{LAYER}:prepare_bfloat16",
            reference=f"{LAYER}:reference_bfloat16",
            work=f"{LAYER}:work_bfloat16",
        ),
        "int8": Candidate(
            f"{LAYER}:int8",
            prepare=f"{LAYER}:prepare_int8",
            reference=f"{LAYER}:reference_int8",
            work=f"{LAYER}:work_int8",
        ),
        "int8_weight": Candidate(
            f"{LAYER}:int8_weight",
            prepare=f"{LAYER}:prepare_int8_weight",
            reference=f"{LAYER}:reference_int8_weight",
            work=f"{LAYER}:work_int8_weight",
        ),
        "torchao": Candidate(
            f"{LAYER}:floating",
            prepare=f"{LAYER}:prepare_torchao",
            reference=f"{LAYER}:reference_torchao",
            work=f"{LAYER}:work_int8",
            quick=False,
        ),
    },
    baseline="float32",
    oracle=f"{LAYER}:oracle",
    axes={
        "B": Axis(full=(1, 8, 64, 512), quick=(64,), limits={"cuda": (1, 64, 512), "rocm": (1, 64, 512)}),
        "mode": Axis(full=("eager", "compiled"), quick=("eager",)),
    },
    probes=("latency", "error", "sqnr"),
    # bfloat16 rounds its result once more, after the bias: 1.7e-3 each time. The tests hold the integer
    # candidates to 1e-6.
    tolerance=5e-3,
)
def linear(B: int, mode: str, device: str, seed: int) -> dict[str, Any]:
    """A linear layer of 1024 by 1024 on B rows; speed, and error against double precision."""
    from reference_models.quantization.linear import inputs

    return inputs(B, mode, device, seed)


@benchmark(
    candidates={
        "float32": f"{ARMS}:float32",
        "bfloat16": f"{ARMS}:bfloat16",
        "control": f"{ARMS}:control",
        "ptq_w8a8": f"{ARMS}:ptq_w8a8",
        "qat_w8a8": f"{ARMS}:qat_w8a8",
        "ptq_w2a8": f"{ARMS}:ptq_w2a8",
        "qat_w2a8": f"{ARMS}:qat_w2a8",
        # Importing it takes three seconds, in every round.
        "torchao_ptq": Candidate(f"{TORCHAO}:ptq", quick=False),
        "torchao_qat": Candidate(f"{TORCHAO}:qat", quick=False),
    },
    baseline="float32",
    # The training of the larger two takes minutes where each of its small kernels is launched by itself.
    axes={
        "model": Axis(
            full=("mlp", "cnn", "transformer"),
            quick=("mlp",),
            limits=dict.fromkeys(("cuda", "rocm", "mps"), ("mlp",)),
        )
    },
    probes=("accuracy",),
)
def digits(model: str, device: str, seed: int) -> dict[str, Any]:
    """Handwritten digits: a model trained in float32, and what rounding makes of it; a seed a round."""
    from _digits import task

    return task(model, device, seed)
