"""Attention over a prompt (prefill) and over a cache (decode): dense, by PyTorch's kernels, and sparse.

Every model is called as ``f(q, k, v, causal)`` and gives a tensor of q's shape and dtype; q is (B, H, Nq, D),
k and v are (B, Hkv, Nk, D), with the queries the last Nq of the Nk positions and Hkv a divisor of H.

A sparse model is a `select(q, k, causal) -> Selection` and an `attend(q, k, v, causal, selection)`, which
combine freely: `selectors` has the former by name; `selection`, `masked` and `flex_blocks` are the latter.
The formulae `work` and `memory` take the axes of a point as keywords and hold for B = 1 and H = Hkv = 16, or
as `decode` says.
"""
