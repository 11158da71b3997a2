"""What a selection keeps of single layers of a trained model, without the model.

``layers.npz`` holds queries, keys and values that SmolLM2 computed while it read 1,024 tokens of Python's
reference manual: one group of heads (3 of queries, 1 of keys and values) of an early, a middle and a late
layer, after the rotation, in float16. `scripts/make_layers.py` makes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference_models.language.sparse import Select

FILE = Path(__file__).with_name("layers.npz")


def stored(device: str = "cpu") -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """q (1, 3, N, D), k and v (1, 1, N, D) of each stored layer, by its name, in float32."""
    with np.load(FILE) as file:
        parts = {name: torch.tensor(file[name], dtype=torch.float32, device=device) for name in file}
    names = dict.fromkeys(name.rpartition(".")[0] for name in parts)
    return {name: (parts[f"{name}.q"], parts[f"{name}.k"], parts[f"{name}.v"]) for name in names}


def quality(
    layers: Mapping[str, tuple[Tensor, Tensor, Tensor]], select: Select | None = None, **options: Any
) -> dict[str, list[float]]:
    """What a causal selection keeps, layer by layer, on average over queries and heads.

    Args:
        layers: q (B, H, N, D), k and v (B, Hkv, N, D) of each.
        select: as in `sparse.Select`; everything is kept when it is None.
        options: given to `select`.

    Returns:
        ``mass``, the softmax mass on the kept keys; ``recall``, of the keys with the largest weights, as many
        as are kept, the share that is kept; ``output_error``, ‖sparse - dense‖ / ‖dense‖ of the output;
        ``keys``, the share kept of all pairs of a query and a key that it can see.
    """
    found: dict[str, list[float]] = {"mass": [], "recall": [], "output_error": [], "keys": []}
    for q, k, v in layers.values():
        selection = select(q, k, True, **options) if select else None
        heads, N = q.shape[1], q.shape[2]
        k, v = (x.repeat_interleave(heads // x.shape[1], 1) for x in (k, v))
        seen = torch.ones(N, N, dtype=torch.bool, device=q.device).tril()
        mask = seen.expand(q.shape[0], heads, N, N)
        if selection is not None:
            chosen = selection.mask(slice(0, N), N)
            mask = chosen.repeat_interleave(heads // chosen.shape[1], 1) & seen
        scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~seen, -math.inf)
        weights = scores.softmax(-1)
        output = weights @ v
        sparse = scores.masked_fill(~mask, -math.inf).softmax(-1) @ v
        count = mask.sum(-1, keepdim=True)
        # The smallest weight among the largest `count` of each query.
        least = weights.sort(-1, descending=True).values.gather(-1, count - 1)
        wanted = (weights >= least) & seen
        found["mass"].append(float((weights * mask).sum(-1).mean()))
        found["recall"].append(float(((wanted & mask).sum(-1, keepdim=True) / count).clamp(max=1).mean()))
        found["output_error"].append(float((sparse - output).norm() / output.norm()))
        found["keys"].append(float(mask.sum() / (seen.sum() * q.shape[0] * heads)))
    return found
