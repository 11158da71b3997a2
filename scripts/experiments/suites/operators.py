"""Operators from microseconds to tens of milliseconds, as a suite: what the experiments measure.

Every candidate works on tensors of its own, so that none finds its data warmed by another. There is no
oracle: torch's operators are taken as right, and only their time is asked for.
"""

from __future__ import annotations

from typing import Any

from dsbench.registry import benchmark


def add(tensors: dict[str, Any]) -> Any:
    return tensors["vector"] + 1


def copy(tensors: dict[str, Any]) -> Any:
    return tensors["long"].clone()


def softmax(tensors: dict[str, Any]) -> Any:
    return tensors["rows"].softmax(-1)


def norm(tensors: dict[str, Any]) -> Any:
    import torch

    return torch.nn.functional.layer_norm(tensors["rows"], (tensors["rows"].shape[-1],))


def cumsum(tensors: dict[str, Any]) -> Any:
    return tensors["rows"].cumsum(-1)


def sort(tensors: dict[str, Any]) -> Any:
    return tensors["long"].sort()


def small_matmul(tensors: dict[str, Any]) -> Any:
    return tensors["small"] @ tensors["small"]


def matmul(tensors: dict[str, Any]) -> Any:
    return tensors["square"] @ tensors["square"]


def attention(tensors: dict[str, Any]) -> Any:
    import torch

    return torch.nn.functional.scaled_dot_product_attention(*tensors["qkv"], is_causal=True)


def reduction(tensors: dict[str, Any]) -> Any:
    return tensors["long"].sum()


def gelu(tensors: dict[str, Any]) -> Any:
    import torch

    return torch.nn.functional.gelu(tensors["long"])


def transpose(tensors: dict[str, Any]) -> Any:
    return tensors["rows"].t().contiguous()


@benchmark(
    candidates={
        function.__name__: function
        for function in (
            *(add, copy, softmax, norm, cumsum, sort),
            *(small_matmul, matmul, attention, reduction, gelu, transpose),
        )
    },
    baseline="copy",
)
def operators(device: str, seed: int) -> dict[str, Any]:
    """Operators of torch, at sizes that suit the device."""
    import torch

    draw = torch.Generator(device).manual_seed(seed)

    def random(*shape: int, dtype: Any = torch.float32) -> Any:
        return torch.randn(*shape, device=device, generator=draw).to(dtype)

    small = torch.device(device).type == "cpu"
    half = torch.float32 if small else torch.bfloat16
    tokens = 1024 if small else 16384
    return {
        "tensors": {
            "vector": random(1024),
            "long": random(2**20 if small else 2**26),
            "rows": random(512 if small else 8192, 1024 if small else 4096),
            "small": random(128 if small else 1024, 128 if small else 1024, dtype=half),
            "square": random(512 if small else 8192, 512 if small else 8192, dtype=half),
            "qkv": tuple(random(1, 8, tokens, 64, dtype=half) for _ in range(3)),
        }
    }
