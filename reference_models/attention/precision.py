"""Number formats: how large they are, and how far from the exact answer a right one may be."""

from __future__ import annotations

import torch

_TOLERANCE = {"float32": 1e-5, "float16": 2.5e-3, "bfloat16": 2e-2}
# About twice (float32: seven times) the largest error seen, against the float64 oracle or the model's own
# reference, of any attention in this folder on the inputs of `inputs.py`, at N up to 65536 and D of 64 and
# 128, on a CPU and a CUDA device: 1.4e-6, 1.3e-3 and 1.1e-2. The last two are of models that round scores
# and weights; fused kernels have 2e-4 and 2e-3. float32 means full precision, without TF32.


def itemsize(dtype: str) -> int:
    """Bytes of one number of a torch dtype given by name."""
    found: torch.dtype = getattr(torch, dtype)
    return found.itemsize


def tolerance(dtype: str, **_: object) -> float:
    """The largest relative error ‖out − exact‖ / ‖exact‖ of a right attention output, by dtype name."""
    return _TOLERANCE[dtype]
