"""What every device that is driven through torch has in common."""

from __future__ import annotations

import copy
import gc
import random
import re
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from dsbench.backends import nested, profiling
from dsbench.backends.base import Allocations, Availability, Backend, UnsupportedError
from dsbench.backends.ledger import tensor_lines
from dsbench.backends.profiling import Profile
from dsbench.records import Status

MIB = 2**20

OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|BLAS_STATUS_ALLOC_FAILED|Invalid buffer size", re.IGNORECASE
)
"""What torch says when memory ran out and the exception is a plain RuntimeError: the text of CUDA, HIP
and MPS, of the CPU allocator, of cuBLAS and hipBLAS, and of a Metal buffer above the device's limit."""

NO_KERNEL = re.compile(r"No available kernel|No viable backend for scaled_dot_product_attention")
"""What ``scaled_dot_product_attention`` says when the kernels it was limited to cannot do these inputs."""


def import_torch() -> Any:
    """The module. What importing it makes is there to stay, and the collector would look through it again and
    again: that takes a fifth as long as the import itself.

    Raises:
        Exception: whatever torch raises that cannot be imported.
    """
    gc.disable()
    try:
        return import_module("torch")
    finally:
        gc.enable()


def find_devices(backend: str, torch: Any, find: Callable[[Any], Sequence[str]]) -> Availability:
    """The devices that `find` names; whatever it raises becomes the reason why there are none."""
    try:
        if torch is None:
            torch = import_torch()
    except Exception as error:
        return Availability(backend, reason=f"torch cannot be imported: {error}")
    try:
        return Availability(backend, devices=tuple(find(torch)))
    except UnsupportedError as error:
        return Availability(backend, reason=str(error))
    except Exception as error:
        return Availability(backend, reason=f"torch {torch.__version__} failed to look: {error!r}")


class TorchBackend(Backend):
    """A device whose work is made of torch operators.

    Args:
        index: which device of the family.
        torch: the torch module, imported now when it is None.
    """

    def __init__(self, index: int = 0, torch: Any = None) -> None:
        super().__init__(index)
        self.torch = import_torch() if torch is None else torch
        self._flushed: Any = None

    @property
    @abstractmethod
    def flush_bytes(self) -> int:
        """How much has to be read to leave nothing else in the last-level cache."""

    @abstractmethod
    def _readings(
        self, call: Callable[[], Any], samples: int, calls: int, before: Callable[[], None], lead: float
    ) -> list[float]:
        """Seconds per call, a number a sample; `before` goes ahead of each reading, outside of it."""

    def prepare(self, seed: int) -> None:
        """Seeds Python, NumPy, torch on the host and on this device, and puts single-precision products back
        to full precision, which libraries of candidates are known to lower for the whole process."""
        random.seed(seed)
        np.random.seed(seed % 2**32)
        self._seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some versions announce another way to say the same
            self.torch.set_float32_matmul_precision("highest")

    def _seed(self, seed: int) -> None:
        """Seeds the host's generator. ``torch.manual_seed`` would ask every family of devices, and for
        one that was never used it keeps a stack trace a call, which costs more than a short reading."""
        self.torch.default_generator.manual_seed(seed)

    def time(
        self, call: Callable[[], Any], samples: int, calls: int = 1, cold: bool = False, lead: float = 0.0
    ) -> list[float]:
        if cold and calls > 1:
            raise UnsupportedError(f"a cold reading is of one call, not {calls}: a second finds a warm cache")
        return self._readings(call, samples, calls, self.flush if cold else _nothing, lead)

    def _launches(self, call: Callable[[], Any], samples: int) -> list[float]:
        """What `launch` gives on a device that works while the host goes on."""
        readings = []
        for _ in range(samples):
            self.synchronize()
            start = time.perf_counter()
            call()
            readings.append(time.perf_counter() - start)
        self.synchronize()
        return readings

    def profile(self, call: Callable[[], Any], calls: int, trace: Path | None = None) -> Profile:
        """The host's operators; devices whose kernels torch can see ask for those."""
        return profiling.profile(self.torch, call, calls, trace, self.synchronize, device=False)

    def flush(self) -> None:
        """Reads `flush_bytes` from the device's memory.

        Reading suffices to push everything else out, and leaves no changed lines behind that would be
        written back to memory at the cost of the reading that follows.
        """
        if self._flushed is None:
            # Written once: pages that never were need not have memory of their own.
            self._flushed = self.torch.ones(
                self.flush_bytes // 4, dtype=self.torch.float32, device=self.device
            )
        self._read(self._flushed)

    def _read(self, array: Any) -> None:
        """Brings a whole array into the cache."""
        array.sum()

    def allocations(self) -> dict[str, Allocations]:
        return {"tensors": partial(tensor_lines, self.torch), **super().allocations()}

    def release(self) -> None:
        self._flushed = None
        gc.collect()

    def product(self, precision: str, size: int) -> Callable[[], Any]:
        torch, shape = self.torch, (size, size)
        if precision == "int8":
            left, right = (torch.randint(-128, 128, shape, device=self.device).to(torch.int8) for _ in "ab")
            return lambda: torch._int_mm(left, right.t())  # libraries are fastest with this layout
        dtype = getattr(torch, precision)
        left, right = (torch.randn(shape, device=self.device).to(dtype) for _ in "ab")
        return lambda: left @ right

    def copying(self) -> tuple[Callable[[], Any], int]:
        size = 4 * self.flush_bytes  # a flush is twice the last-level cache at least
        source = self.torch.randn(size // 4, device=self.device)
        target = self.torch.empty_like(source)
        return lambda: target.copy_(source), 2 * size

    def copy(self, value: Any) -> Any:
        return copy.deepcopy(value)

    def identical(self, left: Any, right: Any) -> bool:
        return nested.identical(left, right, self._same)

    def _same(self, left: Any, right: Any) -> bool:
        torch = self.torch
        if not (isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor)):
            return nested.same_plain(left, right)
        if left.dtype != right.dtype or left.shape != right.shape or left.device != right.device:
            return False
        return bool(torch.equal(*(self._bits(side.detach()) for side in (left, right))))

    def _bits(self, tensor: Any) -> Any:
        # As integers, because NaN is unequal to itself and 0.0 equal to -0.0.
        torch = self.torch
        real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
        return real.view(integers[real.itemsize])

    def buffers(self, value: Any) -> set[tuple[str, int]]:
        found = set()
        for _, leaf in nested.leaves(value):
            if isinstance(leaf, np.ndarray) and leaf.size:
                found.add(("cpu", nested.address(leaf)))  # which a tensor on the host may share
            elif isinstance(leaf, self.torch.Tensor) and leaf.layout == self.torch.strided and leaf.numel():
                found.add((str(leaf.device), int(leaf.untyped_storage().data_ptr())))
        return found

    def relative_error(self, actual: Any, expected: Any) -> float:
        return nested.relative_error(actual, expected, self.torch, self._doubles)

    def _doubles(self, actual: Any, expected: Any) -> tuple[Any, Any]:
        """Two leaves as tensors of double precision, on the device of the first."""
        torch = self.torch
        left, right = (self._tensor(side) for side in (actual, expected))
        dtype = torch.complex128 if left.is_complex() or right.is_complex() else torch.float64
        return left.to(dtype), right.to(left.device, dtype)

    def _tensor(self, leaf: Any) -> Any:
        if isinstance(leaf, self.torch.Tensor):
            return leaf.detach()
        return self.torch.tensor(np.asarray(leaf))  # by way of NumPy, which keeps a number's double precision

    def status_of(self, error: BaseException) -> Status:
        if isinstance(error, self.torch.OutOfMemoryError):
            return Status.OOM
        if isinstance(error, RuntimeError):
            if OUT_OF_MEMORY.search(str(error)):
                return Status.OOM
            if NO_KERNEL.search(str(error)):
                return Status.UNSUPPORTED
        return super().status_of(error)


def _nothing() -> None:
    """What goes ahead of a reading with warm data."""
