"""What steps of training and inference hold, whether it comes back, and whether a leak would be seen."""

from __future__ import annotations

from typing import Any

from dsbench.registry import Axis, Candidate, benchmark

RESIDUAL = "reference_models.residual"
CONTROL = "reference_models.leak_control"

AXES = {
    "width": Axis(full=(64, 256, 1024), quick=(64,), limits={"cpu": (64, 256)}),
    "depth": Axis(full=(8, 32), quick=(8,), limits={"cpu": (8,)}),
    "batch": Axis(full=(256, 4096), quick=(256,), limits={"cpu": (256,)}),
}


@benchmark(
    candidates={"plain": f"{RESIDUAL}:training_step", "checkpointed": f"{RESIDUAL}:checkpointed_step"},
    baseline="plain",
    oracle=f"{RESIDUAL}:training_oracle",
    axes=AXES,
    probes=("latency", "error", "memory", "leak", "utilisation"),
    work=f"{RESIDUAL}:training_work",
    tolerance=1e-4,
)
def training_step(width: int, depth: int, batch: int, device: str, seed: int) -> dict[str, Any]:
    """Forward and backward pass of a stack of residual blocks, with and without checkpointing."""
    from reference_models import residual

    return residual.inputs(width, depth, batch, device, seed)


@benchmark(
    candidates={
        name: Candidate(f"{RESIDUAL}:{name}", quick=False)
        for name in ("no_grad", "inference_mode", "with_graph")
    },
    baseline="no_grad",
    oracle=f"{RESIDUAL}:inference_oracle",
    axes=AXES,
    probes=("latency", "error", "memory", "leak"),
    work=f"{RESIDUAL}:inference_work",
    tolerance=1e-4,
)
def inference(width: int, depth: int, batch: int, device: str, seed: int) -> dict[str, Any]:
    """Forward pass of the same stack: what asking for no gradient saves."""
    from reference_models import residual

    return residual.inputs(width, depth, batch, device, seed)


@benchmark(
    candidates={
        "clean": f"{CONTROL}:clean",
        "leaking": Candidate(f"{CONTROL}:leaking", leaks=16 * 1024),
    },
    baseline="clean",
    probes=("leak",),
)
def leak_control(device: str, seed: int) -> dict[str, Any]:
    """A leak of 16 KiB a call that has to be found, and none that has to be called clean."""
    import torch

    return {"x": torch.randn(64, 256, generator=torch.Generator().manual_seed(seed)).to(device)}
