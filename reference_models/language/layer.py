"""What a selection keeps of single layers of a trained model, without the model.

``layers.npz`` holds queries, keys and values that SmolLM2 computed while it read 1,024 tokens of Python's
reference manual: one group of heads (3 of queries, 1 of keys and values) of an early, a middle and a late
layer, after the rotation, in float16. `scripts/make_layers.py` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference_models.attention import quality as attention
from reference_models.attention.selection import Selection
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
        ``mass``, ``recall`` and ``output_error`` as in `attention.quality`; ``keys``, the share kept of all
        pairs of a query and a key that it can see.
    """
    found: dict[str, list[float]] = {"mass": [], "recall": [], "output_error": [], "keys": []}
    for q, k, v in layers.values():
        selection = select(q, k, True, **options) if select else _everything(q)
        mass, recall, error, keys = attention.quality(q, k, v, True, selection)
        visible = torch.arange(1, q.shape[2] + 1, device=q.device)
        found["mass"].append(float(mass.mean()))
        found["recall"].append(float(recall.mean()))
        found["output_error"].append(float(error.mean()))
        found["keys"].append(float((keys * visible).sum() / (visible.sum() * q.shape[0] * q.shape[1])))
    return found


def _everything(q: Tensor) -> Selection:
    """One block that holds all keys."""
    whole = torch.zeros(q.shape[0], 1, 1, 1, dtype=torch.int64, device=q.device)
    return Selection(whole, torch.ones_like(whole, dtype=torch.bool), q.shape[2], q.shape[2])
