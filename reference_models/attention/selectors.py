"""All ways to select keys, by name.

Each is called as ``select(q, k, causal, lengths=..., **options)`` with q (B, H, Nq, D) and k (B, Hkv, Nk, D),
and gives a `Selection` that `attend` takes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from reference_models.attention import block_topk, token_topk
from reference_models.attention.selection import Selection

SELECTORS: dict[str, Callable[..., Selection]] = {
    "token_topk": token_topk.select,
    "block_topk": block_topk.select,
}


def selector(name: str) -> Callable[..., Selection]:
    """The selector of a name.

    Raises:
        ValueError: there is none; the message names the nearest and all there are.
    """
    if name not in SELECTORS:
        near = difflib.get_close_matches(name, SELECTORS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ValueError(f"unknown selector '{name}': {hint}known are {', '.join(SELECTORS)}")
    return SELECTORS[name]
