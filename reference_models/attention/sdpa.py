"""PyTorch's fused attention: `torch.nn.functional.scaled_dot_product_attention`, kernel by kernel.

`attention` leaves the choice of the kernel to PyTorch, which is what a user has today. The others insist
on one and raise NotImplementedError where PyTorch has none for the inputs. They enter
`torch.nn.attention.sdpa_kernel` in each call, which takes about 15 µs of the host's time.

flash: Dao, "FlashAttention-2", ICLR 2024. efficient: Rabe and Staats, "Self-attention Does Not Need
O(n²) Memory", 2021, in the kernel of xFormers. cudnn: the graph of NVIDIA's cuDNN. math: the formula,
operation by operation. Work and memory of the fused ones are those of `dense.work` and `dense.tensors`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from reference_models.attention.dense import tensors
from reference_models.attention.inputs import HEADS
from reference_models.attention.seen import check_shapes, last_seen, unseen


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """The kernel that PyTorch chooses for these inputs."""
    return scaled_dot_product_attention(q, k, v, **_options(q, k, causal, lengths))


def math(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """The unfused kernel, which holds the N x N matrix; it takes half precision up to float32."""
    return _only(SDPBackend.MATH, ("cpu", "cuda", "mps"), q, k, v, causal, lengths)


def flash(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """FlashAttention: half precision on CUDA and ROCm, any on the CPU."""
    return _only(SDPBackend.FLASH_ATTENTION, ("cpu", "cuda"), q, k, v, causal, lengths)


def efficient(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """The memory-efficient kernel of xFormers: CUDA and ROCm."""
    return _only(SDPBackend.EFFICIENT_ATTENTION, ("cuda",), q, k, v, causal, lengths)


def cudnn(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """cuDNN's attention: half precision on CUDA."""
    return _only(SDPBackend.CUDNN_ATTENTION, ("cuda",), q, k, v, causal, lengths)


def memory_math(N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes that a call of `math` needs, inputs and result included: two float32 matrices N x N, q, k, v
    and the result in float32, q and k scaled too, and the causal mask with the steps of its making."""
    return tensors(N, D, dtype) + 2 * tensors(N, D, "float32") + HEADS * N**2 * 8 + N**2 * 18


def _options(q: torch.Tensor, k: torch.Tensor, causal: bool, lengths: torch.Tensor | None) -> dict[str, Any]:
    """How these inputs are put to PyTorch, whose own causal mask has the first query at position zero. Masks
    cost more than flags, and some kernels take none."""
    check_shapes(q, k, lengths)
    grouped = {"enable_gqa": True} if q.shape[1] != k.shape[1] else {}
    if lengths is None and (not causal or q.shape[2] == 1):
        return grouped
    if lengths is None and q.shape[2] == k.shape[2]:
        return {"is_causal": True, **grouped}
    # Only here: what is computed of the lengths is launched, too, and a fused kernel must not pay for it.
    return {"attn_mask": ~unseen(last_seen(q, k, causal, lengths), k.shape[2]), **grouped}


def _only(
    kernel: SDPBackend,
    devices: tuple[str, ...],
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    lengths: torch.Tensor | None,
) -> torch.Tensor:
    where = f"{q.device.type}/{str(q.dtype).removeprefix('torch.')}"
    missing = f"PyTorch has no {kernel.name.lower().replace('_', ' ')} kernel for {where}"
    # Elsewhere PyTorch does not look at which kernels are allowed and would run another one.
    if q.device.type not in devices:
        raise NotImplementedError(missing)
    try:
        with sdpa_kernel(kernel):
            return scaled_dot_product_attention(q, k, v, **_options(q, k, causal, lengths))
    except RuntimeError as error:
        if str(error).startswith(("No available kernel", "No viable backend")):
            raise NotImplementedError(f"{missing} with D={q.shape[-1]}") from None
        raise
