"""Work that keeps a device busy in ways that are known: what the utilisation probe has to tell apart."""

from __future__ import annotations

from dsbench.registry import Axis, Candidate, benchmark


def product(large, **_):
    return large @ large


def tiny(small, **_):
    for _ in range(100):
        small = small + 1
    return small


def copying(wide, **_):
    return wide.clone()


def one_row(row, large, **_):
    return row @ large


def waiting(large, **_):
    """A product, then the host fetches a number and thinks for a millisecond, as with a logged loss."""
    import time

    answer = float((large[:1024, :1024] @ large[:1024, :1024]).sum())
    time.sleep(1e-3)
    return answer


@benchmark(
    candidates={
        "product": Candidate(product, work=lambda N: (2.0 * N**3, 3 * 2.0 * N**2, "bfloat16")),
        "one_row": Candidate(one_row, work=lambda N: (2.0 * N**2, 2.0 * N**2, "bfloat16")),
        "copying": Candidate(copying, work=lambda N: (0.0, 8.0 * 4 * N**2, "float32")),
        "tiny": tiny,
        "waiting": waiting,
    },
    baseline="product",
    axes={
        "N": Axis(
            full=(1024, 8192), limits={"cpu": (1024,), "mps": (1024,), "cuda": (8192,), "rocm": (8192,)}
        )
    },
    probes=("utilisation",),
)
def busy(N, device, seed):
    """A large product, one row of it, a copy, a hundred tiny operators, and a host that thinks."""
    import torch

    torch.manual_seed(seed)
    large = torch.randn(N, N, device=device, dtype=torch.bfloat16)
    wide = torch.randn(4 * N, N, device=device)
    return {"large": large, "row": large[:1].clone(), "wide": wide, "small": torch.randn(16, device=device)}
