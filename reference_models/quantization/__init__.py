"""Fewer bits: fake quantisation to train with, integer layers to run with, and what they are trained on.

A weight of shape (N, K) has one scale a row (output channel). Activations of shape (..., K) have one scale
a row of K numbers (``token``), or a single one that was calibrated beforehand (``tensor``). All scales are
symmetric: zero stays zero, and a number x becomes round(x / scale).
"""
