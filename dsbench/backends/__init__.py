"""Where it is measured: one file a device family."""

from __future__ import annotations

from dsbench.backends.base import Availability, Backend, UnsupportedError
from dsbench.backends.cpu import CpuBackend
from dsbench.backends.cuda import CudaBackend
from dsbench.backends.fake import FakeBackend
from dsbench.backends.mps import MpsBackend
from dsbench.backends.rocm import RocmBackend

BACKENDS: dict[str, type[Backend]] = {
    backend.name: backend for backend in (CpuBackend, CudaBackend, RocmBackend, MpsBackend, FakeBackend)
}
"""Every device family by name."""

AUTOMATIC = ("cuda", "rocm", "mps", "cpu")
"""What ``--backend auto`` tries, in this order."""

__all__ = ["AUTOMATIC", "BACKENDS", "Availability", "Backend", "UnsupportedError"]
