"""The host's processor as a device, and what torch's errors mean on it."""

from __future__ import annotations

import gc
import math

import pytest
import torch
from rigs import MIB
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from dsbench.backends.cpu import CpuBackend
from dsbench.records import Status


def test_prepare_pins_the_number_of_threads_that_is_recorded() -> None:
    backend = CpuBackend()
    torch.set_num_threads(backend.threads + 1)
    backend.prepare(seed=1)
    assert str(torch.get_num_threads()) == backend.describe().versions["threads"]


def test_the_collector_runs_again_once_torch_was_imported() -> None:
    CpuBackend()
    assert gc.isenabled()


def test_flush_reads_at_least_twice_the_cache() -> None:
    backend = CpuBackend()
    assert backend.flush_bytes >= 2 * (backend.describe().cache or 0)
    assert backend.flush_bytes >= 64 * MIB


@pytest.mark.filterwarnings("ignore:Please use the new API")  # some versions of torch, on the setter
def test_prepare_undoes_a_lower_precision() -> None:
    torch.set_float32_matmul_precision("medium")
    CpuBackend().prepare(seed=1)
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(("actual", "expected"), [(2e200, 1e200), (1e200, 1.0)])
def test_an_error_of_numbers_too_large_to_square_is_infinite(actual: float, expected: float) -> None:
    left, right = (torch.full((8,), value, dtype=torch.float64) for value in (actual, expected))
    assert CpuBackend().relative_error(left, right) == math.inf


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.OutOfMemoryError("Tried to allocate 2.00 GiB."), Status.OOM),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), Status.OOM),
        (RuntimeError("HIP error: out of memory"), Status.OOM),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), Status.OOM),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5.56 GB)"), Status.OOM),
        (RuntimeError("Invalid buffer size: 64.00 GiB"), Status.OOM),
        (RuntimeError("No available kernel. Aborting execution."), Status.UNSUPPORTED),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), Status.ERROR),
    ],
)
def test_errors_of_torch_have_a_status(error: Exception, status: Status) -> None:
    assert CpuBackend().status_of(error) is status


def test_attention_by_a_kernel_that_is_not_there_is_unsupported() -> None:
    query = torch.ones(1, 1, 4, 8)
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION), pytest.raises(RuntimeError) as caught:
        scaled_dot_product_attention(query, query, query)
    assert CpuBackend().status_of(caught.value) is Status.UNSUPPORTED


def test_memory_that_torch_really_cannot_have_is_oom() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert CpuBackend().status_of(caught.value) is Status.OOM
