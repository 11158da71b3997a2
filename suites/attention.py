"""Attention over a whole prompt and over a cache: dense by every kernel there is, and sparse; and what
selecting and attending to a selection cost by themselves."""

from __future__ import annotations

from typing import Any

from dsbench.registry import Axis, Candidate, benchmark

MODELS = "reference_models.attention"
FUSED = f"{MODELS}.dense:tensors"


def worth_it(N: int, dtype: str, causal: bool, **_: object) -> bool:
    """Single precision is there to show what is lost to bfloat16, and all keys of a long prompt cost twice
    as much as a causal mask and say the same: neither is worth hours at the largest lengths."""
    return (4096 if dtype == "float32" else 65536 if causal else 16384) >= N


def sparse(module: str, function: str = "METHOD.attention", method: str = "METHOD") -> Candidate:
    """A sparse method whose reference and formulae are those of its `Method`."""
    name = f"{MODELS}.{module}:{method}"
    return Candidate(
        f"{MODELS}.{module}:{function}",
        reference=f"{name}.reference",
        memory=f"{name}.memory",
        work=f"{name}.work",
        quick=module == "block_topk" and method == "SHARE",
    )


def selecting(module: str, method: str = "METHOD", quick: bool = False) -> Candidate:
    """The selection of a sparse method alone."""
    name = f"{MODELS}.{module}:{method}"
    memory, work = f"{name}.memory_select", f"{name}.work_select"
    return Candidate(f"{name}.select", memory=memory, work=work, quick=quick)


def decoding(name: str, quick: bool = False) -> Candidate:
    """A sparse method over a cache."""
    name = f"{MODELS}.decode:{name}"
    return Candidate(
        f"{name}.attention",
        reference=f"{name}.reference",
        memory=f"{name}.memory",
        work=f"{name}.work",
        quick=quick,
    )


def over_cache(name: str, memory: str = "cache_bytes", quick: bool = False) -> Candidate:
    """A dense model over a cache."""
    return Candidate(f"{MODELS}.decode:{name}.attention", memory=f"{MODELS}.decode:{memory}", quick=quick)


@benchmark(
    candidates={
        "dense_eager": Candidate(f"{MODELS}.dense:attention", memory=f"{MODELS}.dense:memory"),
        "sdpa": Candidate(f"{MODELS}.sdpa:attention", memory=FUSED),
        "sdpa_math": Candidate(f"{MODELS}.sdpa:math", memory=f"{MODELS}.sdpa:memory_math", quick=False),
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
            quick=False,
        ),
        "block_topk": sparse("block_topk", "attention", "SHARE"),
        "block_wide": sparse("block_topk", "wide", "WIDE"),
        "block_fixed": sparse("block_topk", "fixed", "FIXED"),
        "flex_blocks": sparse("flex_blocks"),
        "moba": sparse("moba"),
        "nsa": sparse("nsa"),
        "quest": sparse("quest"),
        "pooled": sparse("pooled"),
        "sampled": sparse("sampled", "attention"),
        "dsa": sparse("dsa"),
        "top_p": sparse("top_p"),
        "window": sparse("window"),
        "mass": sparse("mass"),
    },
    # What a user has today without choosing anything; it runs on every device and in every precision.
    baseline="sdpa",
    oracle=f"{MODELS}.dense:oracle",
    axes={
        "N": Axis(
            full=(256, 1024, 4096, 16384, 65536),
            quick=(1024,),
            limits={"cpu": (256, 1024, 4096), "mps": (256, 1024, 4096)},
        ),
        "D": Axis(full=(64, 128), quick=(64,)),
        "dtype": ("float32", "bfloat16"),
        "causal": Axis(full=(True, False), quick=(True,)),
    },
    where=worth_it,
    probes=("latency", "error", "memory"),
    work=f"{MODELS}.dense:work",
    tolerance=f"{MODELS}.precision:tolerance",
    version=2,
)
def prefill(N: int, D: int, dtype: str, causal: bool, device: str, seed: int) -> dict[str, Any]:
    """Attention of a whole prompt of N tokens, 16 heads of D numbers, one sequence."""
    from reference_models.attention import inputs

    return {**inputs.qkv(N, D, dtype, device, seed), "causal": causal}


@benchmark(
    candidates={
        "block_topk": selecting("block_topk", "SHARE", quick=True),
        "block_wide": selecting("block_topk", "WIDE"),
        "block_fixed": selecting("block_topk", "FIXED"),
        "moba": selecting("moba"),
        "nsa": selecting("nsa"),
        "quest": selecting("quest", quick=True),
        "pooled": selecting("pooled"),
        "sampled": selecting("sampled"),
        "dsa": selecting("dsa"),
        "top_p": selecting("top_p"),
        "window": selecting("window"),
    },
    baseline="block_topk",
    axes={
        "N": Axis(
            full=(1024, 4096, 16384, 65536),
            quick=(1024,),
            limits={"cpu": (1024, 4096), "mps": (1024, 4096)},
        ),
        "D": Axis(full=(64, 128), quick=(64,)),
        "dtype": Axis(full=("float32", "bfloat16"), quick=("float32",)),
        "causal": Axis(full=(True, False), quick=(True,)),
    },
    where=worth_it,
    probes=("latency", "memory"),
)
def select(N: int, D: int, dtype: str, causal: bool, device: str, seed: int) -> dict[str, Any]:
    """Selecting keys for a whole prompt, without attending to them; `prefill` checks what is selected."""
    from reference_models.attention import inputs

    made = inputs.qkv(N, D, dtype, device, seed)
    return {"q": made["q"], "k": made["k"], "causal": causal}


@benchmark(
    candidates={
        kernel: Candidate(
            f"{MODELS}.{module}:attend", memory=f"{MODELS}.selectors:attend_memory", quick=quick
        )
        for kernel, module, quick in (
            ("gathered", "selection", True),
            ("masked", "masked", True),
            ("flex_blocks", "flex_blocks", False),
            ("fused", "fused", False),
        )
    },
    baseline="gathered",
    oracle=f"{MODELS}.dense:oracle",
    axes={
        "selection": Axis(full=("block_topk", "block_fixed", "moba"), quick=("block_topk",)),
        "N": Axis(
            full=(1024, 4096, 16384, 65536),
            quick=(1024,),
            limits={"cpu": (1024, 4096), "mps": (1024, 4096)},
        ),
        "D": Axis(full=(64, 128), quick=(64,)),
        "dtype": Axis(full=("float32", "bfloat16"), quick=("float32",)),
        "causal": Axis(full=(True, False), quick=(True,)),
    },
    where=worth_it,
    probes=("latency", "error", "memory"),
    work=f"{MODELS}.selectors:attend_work",
    tolerance=f"{MODELS}.precision:tolerance",
)
def attend(
    selection: str, N: int, D: int, dtype: str, causal: bool, device: str, seed: int
) -> dict[str, Any]:
    """Attending to the keys that a method has selected: the same selection, kernel by kernel."""
    from reference_models.attention import inputs
    from reference_models.attention.selectors import METHODS

    made = inputs.qkv(N, D, dtype, device, seed)
    chosen = METHODS[selection].select(made["q"], made["k"], causal)
    return {**made, "causal": causal, "selection": chosen}


@benchmark(
    candidates={
        "dense_eager": over_cache("dense_eager", "memory_dense"),
        "sdpa": over_cache("sdpa_default", quick=True),
        "sdpa_flash": over_cache("sdpa_flash"),
        "sdpa_efficient": over_cache("sdpa_efficient"),
        "sdpa_cudnn": over_cache("sdpa_cudnn"),
        "flex": over_cache("flex"),
        "block_topk": decoding("by_mean", quick=True),
        "nsa": decoding("by_group"),
        "quest": decoding("by_bound", quick=True),
        "window": decoding("by_position"),
    },
    baseline="sdpa",
    oracle=f"{MODELS}.decode:oracle",
    axes={
        "N": Axis(
            full=(4096, 16384, 65536),
            quick=(4096,),
            limits={"cpu": (4096,), "mps": (4096,)},
        ),
        "D": Axis(full=(64, 128), quick=(64,)),
        "Hkv": Axis(full=(16, 4), quick=(4,)),
        "dtype": Axis(full=("float32", "bfloat16"), quick=("float32",)),
    },
    where=lambda N, dtype, **_: dtype != "float32" or N <= 4096,
    probes=("latency", "error", "memory"),
    work=f"{MODELS}.decode:work",
    tolerance=f"{MODELS}.precision:tolerance",
)
def decode(N: int, D: int, Hkv: int, dtype: str, device: str, seed: int) -> dict[str, Any]:
    """One new token for each of 16 sequences over a cache of N keys, Hkv heads of them for 16 of queries,
    with summaries of its pages of 64 kept beside it."""
    from reference_models.attention import decode as model

    return model.inputs(N, D, Hkv, dtype, device, seed)
