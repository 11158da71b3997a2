"""Reading a prompt with a selector that keeps what dense attention does: does the whole model get faster?

SmolLM2 reads real text with dense attention by each of PyTorch's kernels, with no attention at all, and with
sparse attention by kernels of its own. What was expected of `sampled` before the first run, at 8,192 tokens
on an H200: its voters cost an eighth of dense attention's arithmetic and a fifth of the keys is read, so that
with smaller tiles it takes 0.6 of the time of dense attention, which has a third of the whole: 1.15 times as
fast end to end.

    python scripts/experiments/prefill.py --backend cuda --out docs/experiments

Needs what `dsbench[models]` needs; a minute on an H200.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from generation import KERNELS, VARIANTS, prefill, turns
from measuring import device, write

from dsbench.backends import Backend
from reference_models.attention import sdpa
from reference_models.language import reading, smollm2
from reference_models.language.decoder import Attention, Cache, Decoder, dense
from reference_models.language.sparse import Sparse, budgeted

SPARSE = ("sampled", "block_topk", "block_wide", "block_fixed")


ATTENTIONS: dict[str, Attention] = {
    "dense": dense,
    **{f"dense, {name}": kernel for name, kernel in KERNELS.items() if kernel is not sdpa.attention},
    "nothing": VARIANTS["nothing"],
    **{name: VARIANTS[name] for name in SPARSE},
}
"""What is compared; dense attention as PyTorch chooses comes first."""


@torch.inference_mode()
def measured(model: Decoder, N: int, backend: Backend) -> list[dict[str, Any]]:
    """A row a variant and way of launching."""
    prompt = torch.tensor(reading.documents(N, 1), device=backend.device)
    cache = Cache(model.config, N, model.token_embd.weight)
    calls: dict[str, Callable[[], Any]] = {
        name: partial(prefill, model, one, cache, prompt) for name, one in ATTENTIONS.items()
    }
    kept = {}
    for name in SPARSE:
        counting = Sparse(budgeted(name))
        prefill(model, counting, cache, prompt)
        kept[name] = counting.kept
    found = turns(calls, backend)
    rows = []
    for kind in ("eager", "graph"):
        times = {name: each[kind] for name, each in found.items() if kind in each}
        if not times:
            continue
        fastest = min(taken for name, taken in times.items() if name.startswith("dense"))
        attention = fastest - times["nothing"]
        rows += [
            {
                "variant": name,
                "N": N,
                "launched": kind,
                "keys_kept": kept.get(name),
                "ms": 1e3 * taken,
                "times_as_fast": fastest / taken,
                "attention_alone": attention / (taken - times["nothing"]) if name != "nothing" else None,
            }
            for name, taken in times.items()
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("-N", type=int, nargs="+", default=[2048, 4096, 8192], help="tokens of the prompts")
    options = parser.parse_args()
    backend = device(options.backend)
    model = smollm2.load(backend.device, torch.float32 if backend.name == "cpu" else torch.bfloat16)
    rows = [row for N in options.N for row in measured(model, N, backend)]
    write(rows, backend, options.out, "prefill")


if __name__ == "__main__":
    try:
        main()
    except NotImplementedError as missing:  # the model or a text, and the message says how to install it
        sys.exit(f"error: {missing}")
