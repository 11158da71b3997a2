"""All ways to select keys, and all sparse methods, by name.

A selector is called as ``select(q, k, causal, lengths=..., **options)`` with q (B, H, Nq, D) and k (B, Hkv,
Nk, D), and gives a `Selection` that every `attend` takes. All but `token_topk` share the options `block`,
`rows` and `budget`; those that look at averages or bounds of blocks take these as `pages`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from reference_models.attention import (
    block_topk,
    dsa,
    mass,
    moba,
    nsa,
    pooled,
    quest,
    sampled,
    token_topk,
    top_p,
    window,
)
from reference_models.attention.method import Method
from reference_models.attention.selection import Selection

SELECTORS: dict[str, Callable[..., Selection]] = {
    "token_topk": token_topk.select,
    "block_topk": block_topk.select,
    "moba": moba.select,
    "nsa": nsa.select,
    "quest": quest.select,
    "pooled": pooled.select,
    "sampled": sampled.select,
    "dsa": dsa.select,
    "top_p": top_p.select,
    "window": window.select,
    "mass": mass.select,
}

METHODS: dict[str, Method] = {
    "block_topk": block_topk.SHARE,
    "block_wide": block_topk.WIDE,
    "block_fixed": block_topk.FIXED,
    "moba": moba.METHOD,
    "nsa": nsa.METHOD,
    "quest": quest.METHOD,
    "pooled": pooled.METHOD,
    "sampled": sampled.METHOD,
    "dsa": dsa.METHOD,
    "top_p": top_p.METHOD,
    "window": window.METHOD,
    "mass": mass.METHOD,
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


def attend_work(
    selection: str, N: int, D: int, causal: bool, dtype: str, **_: object
) -> tuple[float, float, str]:
    """Floating-point operations, bytes and precision of attending to what a method selects."""
    method = METHODS[selection]
    flops, moved, precision = method.work(N, D, causal, dtype)
    return flops - method.scoring(N, D, causal), moved, precision


def attend_memory(selection: str, N: int, D: int, dtype: str, **_: object) -> int:
    """Bytes that attending to what a method selects needs, inputs and result included."""
    return METHODS[selection].memory(N, D, dtype)
