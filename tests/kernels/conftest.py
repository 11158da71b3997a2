"""Triton's kernels on this machine's accelerator or, without one, in Triton's interpreter.

Triton decides when it is imported, and other tests import it; `tests/test_triton.py` runs this folder in a
process of its own.
"""

from __future__ import annotations

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
