"""Attention over a whole prompt (prefill): dense, by PyTorch's kernels, and sparse.

Every model is called as ``f(q, k, v, causal)`` with tensors of shape (B, H, N, D) and gives a tensor
of that shape in q's dtype. The formulae `work` and `memory` take the axes of a point as keywords and
hold for B = 1 and H = 16.
"""
