"""The article's scenario: a real model writes 1,024 tokens. What does sparse attention save?

SmolLM2 reads a prompt (prefill) and writes token after token with a key/value cache (decode): with dense
attention, with each sparse method, and with no attention at all, which passes its queries on and is the most
that any attention could save (Amdahl, "Validity of the single processor approach", AFIPS 1967). The article
promises 0.8 s to 0.55 s, a ratio of 1.45.

    python scripts/experiments/generation.py --backend cuda --out docs/experiments
    python scripts/experiments/generation.py --backend cpu --prompts 1024 -k 'dense|nothing|block_topk'

A token costs more the more are in the cache, in proportion, so that 1,024 steps take as long as 1,024 times
the step in the middle; real generations with dense attention say whether that is true, one with the kernel
that PyTorch chooses and one with each that it has, twice over the same lengths, because the first run found
PyTorch's own choice three times slower than its middle step. On CUDA a step is measured launched kernel by
kernel, as a program in eager mode does, and replayed as a graph. Needs what `dsbench[models]` needs; four
minutes on an H200.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measuring import device, write
from torch import Tensor

from dsbench.backends import Backend, UnsupportedError
from reference_models.attention import block_topk, sampled, sdpa, token_topk
from reference_models.attention.selectors import METHODS
from reference_models.language import reading, smollm2
from reference_models.language.decoder import Attention, Cache, Decoder, dense

TURNS = 5
"""How often each variant is measured, one after the other; medians count."""

LEAST = 0.02
"""Seconds of a reading at least."""

VARIANTS: dict[str, Attention] = {
    "dense": dense,
    "nothing": lambda q, *_: q,
    "article's top-32": token_topk.masked,
    "top-32, gathered": token_topk.gathered,
    **{name: method.attention for name, method in METHODS.items()},
    # In Triton's kernels where there are any.
    "block_topk": block_topk.attention,
    "block_wide": block_topk.wide,
    "block_fixed": block_topk.fixed,
    "sampled": sampled.attention,
}
"""What every layer attends by."""


def step(model: Decoder, attention: Attention, cache: Cache, token: Tensor, length: int) -> Tensor:
    """The token that follows `length` others and this one."""
    cache.length = length
    return model.logits(model(token, attention, cache)[:, -1]).argmax(-1, keepdim=True)


def prefill(model: Decoder, attention: Attention, cache: Cache, prompt: Tensor) -> Tensor:
    """The token that follows a prompt."""
    return step(model, attention, cache, prompt, 0)


def generate(
    model: Decoder, attention: Attention, cache: Cache, prompt: Tensor, tokens: int, backend: Backend
) -> float:
    """Seconds that writing the tokens takes, one after the other, the prompt read before."""
    token = prefill(model, attention, cache, prompt)
    backend.synchronize()
    began = time.perf_counter()
    for written in range(tokens):
        token = step(model, attention, cache, token, prompt.shape[1] + written)
    backend.synchronize()
    return time.perf_counter() - began


def seconds(call: Callable[[], Any], backend: Backend, calls: int) -> float:
    """How long the caller waits for a call, the device's work included, on average over some."""
    backend.synchronize()
    began = backend.now()
    for _ in range(calls):
        call()
    backend.synchronize()
    return (backend.now() - began) / calls


def turns(calls: Mapping[str, Callable[[], Any]], backend: Backend) -> dict[str, dict[str, float]]:
    """The median over turns of each call's time: launched, and replayed as a graph where that can be. A call
    that fails is told and left out."""
    ready: dict[tuple[str, str], tuple[Callable[[], Any], int]] = {}
    for name, call in calls.items():
        for kind, make in (("eager", lambda call: call), ("graph", backend.graph)):
            try:
                made = make(call)
                seconds(made, backend, 1)  # compiles
                ready[name, kind] = made, max(1, math.ceil(LEAST / seconds(made, backend, 1)))
            except UnsupportedError as error:
                if backend.name != "cpu":
                    print(f"{name}: {error}")
            except Exception as error:
                print(f"{name}, {kind}: {type(error).__name__}: {str(error).splitlines()[0]}")
    readings: dict[tuple[str, str], list[float]] = {key: [] for key in ready}
    for _ in range(TURNS):
        for key, (made, count) in ready.items():
            readings[key].append(seconds(made, backend, count))
    found: dict[str, dict[str, float]] = {name: {} for name in calls}
    for (name, kind), taken in readings.items():
        found[name][kind] = median(taken)
    return found


KERNELS: dict[str, Attention] = {
    "as PyTorch chooses": sdpa.attention,
    "flash": sdpa.flash,
    "cudnn": sdpa.cudnn,
    "math": sdpa.math,
}
"""PyTorch's kernels of dense attention that know grouped heads."""


@torch.inference_mode()
def written(model: Decoder, N: int, tokens: int, backend: Backend) -> list[dict[str, Any]]:
    """How long writing takes per token with each kernel: at lengths that are new to it, and again at them."""
    prompt = torch.tensor(reading.documents(N, 1), device=backend.device)
    cache = Cache(model.config, N + tokens, model.token_embd.weight)
    rows = []
    for name, kernel in KERNELS.items():
        try:
            first, again = (generate(model, kernel, cache, prompt, tokens, backend) for _ in range(2))
        except NotImplementedError as missing:
            print(f"{name}: {missing}")
            continue
        each = {"first_s": first, "again_s": again}
        rows.append({"kernel": name, "prompt": N, "tokens": tokens, **each})
    return rows


@torch.inference_mode()
def scenario(
    model: Decoder, variants: Mapping[str, Attention], N: int, tokens: int, backend: Backend
) -> list[dict[str, Any]]:
    """A row a variant and way of launching, for prompts of N tokens."""
    prompt = torch.tensor(reading.documents(N, 1), device=backend.device)
    cache = Cache(model.config, N + tokens, model.token_embd.weight)
    real = generate(model, dense, cache, prompt, tokens, backend)
    token, middle = prompt[:, :1], N + tokens // 2
    reads = {name: partial(prefill, model, one, cache, prompt) for name, one in variants.items()}
    writes = {name: partial(step, model, one, cache, token, middle) for name, one in variants.items()}
    read, written = turns(reads, backend), turns(writes, backend)
    rows = []
    for kind in ("eager", "graph"):
        base: dict[str, float] = {}
        for name in variants:
            if kind not in read.get(name, {}) or kind not in written.get(name, {}):
                continue
            times = {"prefill": read[name][kind], "decode": tokens * written[name][kind]}
            times["total"] = sum(times.values())
            base = base or times
            rows.append(
                {
                    "variant": name,
                    "prompt": N,
                    "launched": kind,
                    **{f"{phase}_s": taken for phase, taken in times.items()},
                    **{f"{phase}_ratio": base[phase] / taken for phase, taken in times.items()},
                    "really_written_s": real if name == "dense" and kind == "eager" else None,
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="The article's scenario")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--prompts", type=int, nargs="+", default=[1024, 7168], help="tokens of the prompts")
    parser.add_argument("--tokens", type=int, default=1024, help="tokens to write")
    parser.add_argument("-k", default="", help="a regular expression that variants must match")
    options = parser.parse_args()
    backend = device(options.backend)
    model = smollm2.load(backend.device, torch.float32 if backend.name == "cpu" else torch.bfloat16)
    variants = {name: one for name, one in VARIANTS.items() if re.search(options.k, name)}
    rows: list[dict[str, Any]] = []
    for N in options.prompts:
        rows += scenario(model, variants, N, options.tokens, backend)
    write(rows, backend, options.out, "generation")
    # A prompt of another length, so that no length was met before.
    few = min(128, options.tokens)
    kernels = written(model, options.prompts[0] // 2, few, backend)
    write(kernels, backend, options.out, "generation-kernels")
    for row in rows:
        if row["variant"] == "nothing":
            share = 1 - 1 / row["total_ratio"]
            print(f"prompt {row['prompt']}, {row['launched']}: attention has {share:.0%} of the time")


if __name__ == "__main__":
    try:
        main()
    except NotImplementedError as missing:  # the model or a text, and the message says how to install it
        sys.exit(f"error: {missing}")
