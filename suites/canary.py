"""The same work under two names: what differs between them is the machine's noise."""

from __future__ import annotations

from typing import Any

from dsbench.registry import Axis, benchmark

MATMUL = "reference_models.canary:matmul"


@benchmark(
    candidates={"a": MATMUL, "b": MATMUL},
    baseline="a",
    # Long enough not to time the launch, on each kind of device.
    axes={
        "N": Axis(full=(512, 4096), limits={"cpu": (512,), "mps": (512,), "cuda": (4096,), "rocm": (4096,)})
    },
    work="reference_models.canary:work",
)
def same(N: int, device: str, seed: int) -> dict[str, Any]:
    """One product of two matrices, measured as if it were two candidates."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(N, N, generator=draw).to(device) for _ in range(2))
    return {"left": left, "right": right}
