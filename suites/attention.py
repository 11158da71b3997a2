"""Attention over a whole prompt: dense by every kernel there is, and sparse."""

from __future__ import annotations

from typing import Any

from dsbench.registry import Axis, Candidate, benchmark

MODELS = "reference_models.attention"
FUSED = f"{MODELS}.dense:tensors"


@benchmark(
    candidates={
        "dense_eager": Candidate(f"{MODELS}.dense:attention", memory=f"{MODELS}.dense:memory"),
        "sdpa": Candidate(f"{MODELS}.sdpa:attention", memory=FUSED),
        "sdpa_math": Candidate(f"{MODELS}.sdpa:math", memory=f"{MODELS}.sdpa:memory_math"),
        "sdpa_flash": Candidate(f"{MODELS}.sdpa:flash", memory=FUSED),
        "sdpa_efficient": Candidate(f"{MODELS}.sdpa:efficient", memory=FUSED),
        "sdpa_cudnn": Candidate(f"{MODELS}.sdpa:cudnn", memory=FUSED),
        "flex": Candidate(f"{MODELS}.flex:attention", memory=f"{MODELS}.flex:memory"),
        "topk_masked": Candidate(
            f"{MODELS}.token_topk:masked",
            reference=f"{MODELS}.token_topk:masked_reference",
            memory=f"{MODELS}.token_topk:memory_masked",
        ),
        "topk_gathered": Candidate(
            f"{MODELS}.token_topk:gathered",
            reference=f"{MODELS}.token_topk:gathered_reference",
            memory=f"{MODELS}.token_topk:memory_gathered",
            work=f"{MODELS}.token_topk:work_gathered",
        ),
        "block_topk": Candidate(
            f"{MODELS}.block_topk:attention",
            reference=f"{MODELS}.block_topk:reference",
            memory=f"{MODELS}.block_topk:memory",
            work=f"{MODELS}.block_topk:work",
        ),
    },
    # What a user has today without choosing anything; it runs on every device and in every precision.
    baseline="sdpa",
    oracle=f"{MODELS}.dense:oracle",
    axes={
        "N": Axis(
            full=(256, 1024, 4096, 16384, 65536),
            quick=(256, 1024),
            limits={"cpu": (256, 1024, 4096), "mps": (256, 1024, 4096)},
        ),
        "D": Axis(full=(64, 128), quick=(64,)),
        "dtype": ("float32", "bfloat16"),
        "causal": Axis(full=(True, False), quick=(True,)),
    },
    # Single precision is there to show what is lost to bfloat16, and all keys of a long prompt cost twice
    # as much as a causal mask and say the same: neither is worth hours at the largest lengths.
    where=lambda N, dtype, causal, **_: (4096 if dtype == "float32" else 65536 if causal else 16384) >= N,
    probes=("latency", "error", "memory"),
    work=f"{MODELS}.dense:work",
    tolerance=f"{MODELS}.precision:tolerance",
)
def prefill(N: int, D: int, dtype: str, causal: bool, device: str, seed: int) -> dict[str, Any]:
    """Attention of a whole prompt of N tokens, 16 heads of D numbers, one sequence."""
    from reference_models.attention import inputs

    return {**inputs.qkv(N, D, dtype, device, seed), "causal": causal}
