"""Speed of attention over selected blocks beside every dense kernel, on a CUDA device.

For each shape (bfloat16, one sequence, 16 heads, causal) the device's time of a call in a captured graph,
with the last-level cache flushed before each replay, and the time of a call launched eagerly, as a program in
eager mode has it. Selecting and attending are also timed apart. The factor is against the fastest dense
kernel of the shape; the limit is what skipping the other blocks could give at best. Candidates of a shape
take turns.

    python scripts/experiments/attention_speed.py --out docs/experiments
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measuring import device, write
from torch.nn.functional import scaled_dot_product_attention

from dsbench.backends import Backend
from reference_models.attention import (
    block_topk,
    dense,
    flex,
    fused,
    sdpa,
    triton_attend,
    triton_select,
)
from reference_models.attention.inputs import HEADS, qkv
from reference_models.attention.ranking import EIGHTH, SIXTEEN

LENGTHS = (1024, 2048, 4096, 16384, 65536)
BLOCK = block_topk.BLOCK
ROWS = {64: 64, 128: 128}
"""Queries that share a choice, by D: wide heads need wide tiles to keep the matrix units busy."""
BUDGETS = {"12.5 %": EIGHTH, "16 blocks": SIXTEEN}
DENSE = ("sdpa_cudnn", "sdpa_flash", "flex")
Call = Callable[[], Any]


def calls(inputs: dict[str, torch.Tensor]) -> dict[str, Call]:
    """Every candidate, causal, by name."""
    q, k, v = (inputs[name] for name in ("q", "k", "v"))
    found: dict[str, Call] = {
        "sdpa_cudnn": partial(sdpa.cudnn, q, k, v, True),
        "sdpa_flash": partial(sdpa.flash, q, k, v, True),
        "flex": partial(flex.attention, q, k, v, True),
    }
    rows = ROWS[q.shape[-1]]
    for name, budget in BUDGETS.items():
        chosen = triton_select.select(q, k, True, BLOCK, rows, budget.keep, budget.least)
        found |= {
            f"block_topk {name}": partial(fused.attention, q, k, v, True, BLOCK, rows, budget),
            f"block_topk {name}, select": partial(
                triton_select.select, q, k, True, BLOCK, rows, budget.keep, budget.least
            ),
            f"block_topk {name}, attend": partial(triton_attend.forward, q, k, v, True, *chosen, BLOCK, rows),
        }
    if peer := _peer(inputs):
        found["NSA of fla-core"] = peer
    return found


def _peer(inputs: dict[str, torch.Tensor]) -> Call | None:
    """Native sparse attention of flash-linear-attention, whose groups of 16 heads share a choice; None where
    it is not installed."""
    try:
        from fla.ops.nsa.parallel import parallel_nsa
    except ImportError:
        return None
    q = inputs["q"].transpose(1, 2).contiguous()
    k, v = (inputs[name][:, :1].transpose(1, 2).contiguous() for name in ("k", "v"))
    gate = torch.ones(*q.shape[:3], device=q.device, dtype=q.dtype)
    return lambda: parallel_nsa(q, k, v, g_cmp=gate, g_slc=gate, block_counts=16, block_size=64)


def limit(name: str, N: int, rows: int) -> float | None:
    """How many times fewer blocks than dense causal attention has."""
    for number, budget in BUDGETS.items():
        if number in name and "select" not in name:
            seen = range(rows // BLOCK, N // BLOCK + 1, rows // BLOCK)
            return sum(seen) / sum(budget.of(blocks) for blocks in seen)
    return None


def replayed(backend: Backend, wanted: dict[str, Call], samples: int) -> dict[str, float | str]:
    """Seconds of each call in a graph after a flush, the medians of readings taken in turns."""
    ready: dict[str, Call] = {}
    found: dict[str, float | str] = {}
    for name, call in wanted.items():
        try:
            ready[name] = backend.graph(call)
        except Exception as error:
            found[name] = str(error).splitlines()[0][:80]
    readings: dict[str, list[float]] = {name: [] for name in ready}
    order = random.Random(0)
    for _ in range(samples):
        for name in order.sample(list(ready), len(ready)):
            readings[name] += backend.time(ready[name], 1, 1, cold=True)
    return found | {name: median(values) for name, values in readings.items()}


def eager(call: Call, samples: int) -> float:
    """Seconds of a call when one is launched after the other and the host waits for the last."""
    call()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(samples):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / samples


def prefill(backend: Backend, rate: float, samples: int) -> list[dict[str, Any]]:
    rows = []
    for D in (64, 128):
        for N in LENGTHS:
            torch._dynamo.reset()
            wanted = calls(qkv(N, D, "bfloat16", backend.device, seed=0))
            seconds = replayed(backend, wanted, samples)
            best = min(found for name in DENSE if isinstance(found := seconds[name], float))
            flops = dense.work(N, D, True, "bfloat16")[0]
            for name, call in wanted.items():
                took = seconds[name]
                if isinstance(took, str):
                    print(f"{name} at N={N}, D={D}: {took}")
                    continue
                most = limit(name, N, ROWS[D])
                part = ", " in name
                rows.append(
                    {
                        "N": N,
                        "D": D,
                        "candidate": name,
                        "graph_ms": took * 1e3,
                        "eager_ms": eager(call, 20 if N < 65536 else 5) * 1e3,
                        "times": None if part else best / took,
                        "limit": most,
                        "of_limit": None if part or most is None else best / took / most,
                        "roofline": None if part and most is None else flops / (most or 1) / rate / took,
                    }
                )
    return rows


def training(backend: Backend, samples: int) -> list[dict[str, Any]]:
    """Forward and backward, launched eagerly, since a graph of autograd is not what a user has."""
    rows = []
    for D in (64, 128):
        for N in (4096, 16384):
            inputs = [x.requires_grad_() for x in qkv(N, D, "bfloat16", backend.device, seed=0).values()]
            q, k, v = inputs
            models: dict[str, Call] = {
                "sdpa_flash": partial(sdpa.flash, q, k, v, True),
                "sdpa_cudnn": partial(sdpa.cudnn, q, k, v, True),
                "block_topk 12.5 %": partial(fused.attention, q, k, v, True, BLOCK, ROWS[D], EIGHTH),
                "block_topk 16 blocks": partial(fused.attention, q, k, v, True, BLOCK, ROWS[D], SIXTEEN),
            }
            found = {
                name: eager(partial(_both_ways, model, inputs), samples) for name, model in models.items()
            }
            best = min(found["sdpa_flash"], found["sdpa_cudnn"])
            for name, seconds in found.items():
                row = {"N": N, "D": D, "candidate": name, "eager_ms": seconds * 1e3, "times": best / seconds}
                rows.append(row)
    return rows


def _both_ways(model: Call, inputs: list[torch.Tensor]) -> None:
    out = model()
    torch.autograd.grad(out, inputs, torch.ones_like(out))


def decode(backend: Backend, samples: int) -> list[dict[str, Any]]:
    """One token for 16 sequences with a cache of 65,536 keys each, 16 pages of 64 selected."""
    batch, N, D, pages = 16, 65536, 64, SIXTEEN.least
    draw = torch.Generator(backend.device).manual_seed(0)
    q = torch.randn(batch, HEADS, 1, D, device=backend.device, dtype=torch.bfloat16, generator=draw)
    k, v = (
        torch.randn(batch, HEADS, N, D, device=backend.device, dtype=torch.bfloat16, generator=draw)
        for _ in range(2)
    )
    means = k.view(batch, HEADS, -1, BLOCK, D).mean(3)
    wanted: dict[str, Call] = {
        "sdpa": lambda: scaled_dot_product_attention(q, k, v),
        "sdpa_flash": lambda: sdpa.flash(q, k, v, False),
        "sdpa_cudnn": lambda: sdpa.cudnn(q, k, v, False),
        "16 pages of 64": lambda: fused.decode(q, k, v, means, BLOCK, SIXTEEN),
    }
    seconds = replayed(backend, wanted, samples)
    best = min(found for name, found in seconds.items() if isinstance(found, float) and "sdpa" in name)
    read = means.numel() * 2 + 2 * batch * HEADS * pages * BLOCK * D * 2
    rows = []
    for name, took in seconds.items():
        if isinstance(took, str):
            print(f"{name}: {took}")
            continue
        moved = read if "pages" in name else 2 * k.numel() * 2
        rows.append(
            {
                "N": N,
                "candidate": name,
                "graph_ms": took * 1e3,
                "eager_ms": eager(wanted[name], 20) * 1e3,
                "times": best / took,
                "GB_per_s": moved / took / 1e9,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of attention over selected blocks")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--rate", type=float, default=725e12, help="measured bfloat16 FLOP/s of the device")
    options = parser.parse_args()
    backend = device("cuda")
    write(decode(backend, options.samples), backend, options.out, "attention-decode")
    write(training(backend, options.samples), backend, options.out, "attention-training")
    write(prefill(backend, options.rate, options.samples), backend, options.out, "attention-prefill")


if __name__ == "__main__":
    main()
