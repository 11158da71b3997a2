"""Writes the queries, keys and values of some layers of SmolLM2 that `retention.layer` reads.

    python scripts/make_layers.py

Needs what `dsbench[models]` needs. Another file is another workload: raise the benchmark's version.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference_models.language import reading, smollm2
from reference_models.language.decoder import dense
from reference_models.language.layer import FILE

N = 1024
GROUPS = {2: 0, 14: 1, 27: 2}
"""Which group of heads is kept of which layer: early, middle, late."""


def main() -> None:
    model = smollm2.load()
    (document,) = reading.documents(N, 1)
    calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def keeping(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        calls.append((q, k, v))
        return dense(q, k, v, causal)

    with torch.inference_mode():
        model(torch.tensor([document]), keeping)
    arrays = {}
    for layer, group in GROUPS.items():
        for name, x, heads in zip("qkv", calls[layer], (3, 1, 1), strict=True):
            arrays[f"layer_{layer}.{name}"] = x[:, group * heads : (group + 1) * heads].half().numpy()
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
