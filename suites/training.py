"""Training with less memory: what accumulation and checkpointing cost, and whether they are right."""

from __future__ import annotations

from typing import Any

from dsbench.registry import Axis, Candidate, benchmark

ACCUMULATION = "reference_models.training.accumulation"
CHECKPOINTING = "reference_models.training.checkpointing"
MIXED = "reference_models.training.mixed"


@benchmark(
    candidates={
        "whole": f"{ACCUMULATION}:whole",
        "by_tokens": f"{ACCUMULATION}:by_tokens",
        "by_means": Candidate(f"{ACCUMULATION}:by_means", reference=f"{ACCUMULATION}:reference_by_means"),
    },
    baseline="whole",
    oracle=f"{ACCUMULATION}:oracle",
    axes={"parts": Axis(full=(2, 8, 32), quick=(8,))},
    probes=("latency", "error", "memory"),
    tolerance=1e-5,
)
def accumulation(parts: int, device: str, seed: int) -> dict[str, Any]:
    """The gradient of 32 texts of 1 to 64 tokens, at once and in parts; error against double precision."""
    from reference_models.training.model import inputs

    return {**inputs(B=32, N=64, device=device, seed=seed), "parts": parts}


@benchmark(
    candidates={"plain": f"{CHECKPOINTING}:plain", "checkpointed": f"{CHECKPOINTING}:checkpointed"},
    baseline="plain",
    oracle=f"{CHECKPOINTING}:plain",
    axes={"layers": Axis(full=(4, 16), quick=(4,))},
    probes=("latency", "error", "memory"),
    # The same to the last bit, dropout included.
    tolerance=0.0,
)
def checkpointing(layers: int, device: str, seed: int) -> dict[str, Any]:
    """The gradient of 8 texts of up to 64 tokens through blocks of width 128, activations kept or not."""
    from reference_models.training.model import inputs

    return {**inputs(8, 64, device, seed, width=128, layers=layers), "seed": seed}


@benchmark(
    candidates={
        "float32": f"{ACCUMULATION}:whole",
        "bfloat16": f"{MIXED}:bfloat16",
        "float16": f"{MIXED}:float16",
        "float16_unscaled": f"{MIXED}:unscaled",
    },
    baseline="float32",
    oracle=f"{ACCUMULATION}:oracle",
    axes={"width": Axis(full=(64, 256, 1024), quick=(64,), limits={"cpu": (64, 256)})},
    probes=("latency", "error", "memory"),
    # 8 bits of a number are kept in each of some ten products.
    tolerance=2e-2,
)
def mixed_precision(width: int, device: str, seed: int) -> dict[str, Any]:
    """The gradient of 32 texts of up to 64 tokens with its products in a short format."""
    from reference_models.training.model import inputs

    return inputs(B=32, N=64, device=device, seed=seed, width=width, layers=4)
