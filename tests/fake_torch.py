"""A torch with devices that this machine lacks: real signatures, a virtual queue, clock and allocator.

Every function it replaces is bound to the real one's signature, so that a wrong argument or a call
that torch does not have fails as it would on the device. All else is the real torch's.
"""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import torch

TOTAL = 80 * 2**30
"""Bytes of memory of a virtual device."""

CLOCK = 2.5e9
"""Cycles a second of a virtual device."""

BANDWIDTH = 10**12
"""Bytes a second that a virtual device reads."""


class VirtualDevice:
    """Work is queued and done in order; the host sees none of it until it waits. Times are nanoseconds."""

    def __init__(self) -> None:
        self.queued = 0
        self.seen = 0
        self.waits = 0
        self.current = 0
        self.allocated = 0
        self.reserved = 0
        self.peak = 0
        self.log: list[str] = []
        self.seeds: list[int] = []
        self.captured: list[float] | None = None

    def work(self, seconds: float, kind: str = "work") -> None:
        if self.captured is not None:
            self.captured.append(seconds)
            return
        self.log.append(kind)
        self.queued += round(seconds * 1e9)

    def wait(self) -> None:
        if self.captured is not None:
            raise RuntimeError("operation not permitted when stream is capturing\nmore lines follow")
        self.waits += 1
        self.seen = self.queued

    def clock(self) -> int:
        """The host's clock, which passes only while the host waits for the device."""
        return self.seen

    def take(self, owner: Any, size: int) -> None:
        self.allocated += size
        self.reserved = max(self.reserved, self.allocated)
        self.peak = max(self.peak, self.allocated)
        weakref.finalize(owner, self.give_back, size)

    def give_back(self, size: int) -> None:
        self.allocated -= size

    def restart_peak(self) -> None:
        self.peak = self.allocated

    def empty_cache(self) -> None:
        self.reserved = self.allocated


class FakeTorch:
    """The torch module of a machine with `names` as its devices.

    Args:
        cuda, hip: the versions that torch was built for.
        mps: whether it was built for MPS.
        names: the devices it sees.
        architecture: of AMD's devices.
        cache: what it says of the size of the L2, in bytes.
        complaint: what it warns of when it is asked for devices.
    """

    def __init__(
        self,
        *,
        cuda: str | None = None,
        hip: str | None = None,
        mps: bool = False,
        names: tuple[str, ...] = (),
        architecture: str = "",
        cache: int = 50 * 2**20,
        complaint: str = "",
    ) -> None:
        device = self.virtual = VirtualDevice()
        self.__version__ = "2.13.0+fake"
        self.version = SimpleNamespace(cuda=cuda, hip=hip)

        def properties(device: Any = None) -> Any:
            return SimpleNamespace(
                name=names[device],
                total_memory=TOTAL,
                L2_cache_size=cache,
                gcnArchName=architecture,
                uuid=f"0000-{device}",
                pci_domain_id=0,
                pci_bus_id=0xC1,
                pci_device_id=device,
            )

        def is_available() -> bool:
            if complaint:
                warnings.warn(complaint, stacklevel=2)
            return bool(names)

        self.cuda = bound(
            torch.cuda,
            is_available=is_available,
            device_count=lambda: len(names),
            get_device_name=lambda index=None: names[index],
            get_device_properties=properties,
            set_device=lambda index: setattr(device, "current", index),
            current_stream=lambda index=None: SimpleNamespace(
                device_index=index, wait_stream=lambda other: None
            ),
            synchronize=lambda index=None: device.wait(),
            manual_seed=device.seeds.append,
            memory_allocated=lambda index=None: device.allocated,
            memory_reserved=lambda index=None: device.reserved,
            max_memory_allocated=lambda index=None: device.peak,
            reset_peak_memory_stats=lambda index=None: device.restart_peak(),
            mem_get_info=lambda index=None: (TOTAL - device.reserved, TOTAL),
            empty_cache=device.empty_cache,
            _sleep=lambda cycles: device.work(cycles / CLOCK, "sleep"),
            stream=lambda stream: nullcontext(),
            Stream=lambda device: SimpleNamespace(wait_stream=lambda other: None),
        )
        self.cuda.memory = bound(
            torch.cuda.memory, _record_memory_history=None, _snapshot=lambda device=None: {"segments": []}
        )
        self.cuda.Event = event_type(device)
        self.cuda.CUDAGraph = lambda: graph_object(device)
        self.cuda.graph = create_autospec(torch.cuda.graph, side_effect=lambda graph: capture(device, graph))
        self.mps = bound(
            torch.mps,
            synchronize=device.wait,
            manual_seed=device.seeds.append,
            recommended_max_memory=lambda: TOTAL,
            current_allocated_memory=lambda: device.allocated,
            driver_allocated_memory=lambda: device.reserved,
            empty_cache=device.empty_cache,
        )
        self.backends = SimpleNamespace(
            cudnn=bound(torch.backends.cudnn, version=lambda: 91002),
            mps=bound(
                torch.backends.mps,
                is_built=lambda: mps,
                is_available=lambda: mps and bool(names),
                get_name=lambda: names[0],
            ),
        )

        class DeviceTensor(torch.Tensor):
            """A tensor without contents, whose sum takes the time to read it."""

            @classmethod
            def __torch_function__(
                cls, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
            ) -> Any:
                if function is torch.Tensor.sum:
                    size = args[0].numel() * args[0].element_size()
                    device.work(size / BANDWIDTH, f"read {size}")
                return super().__torch_function__(function, types, args, kwargs or {})

        self._tensor = DeviceTensor

    def ones(self, size: int, *, dtype: torch.dtype, device: str) -> torch.Tensor:
        """A tensor on the virtual device, which counts as allocated for as long as it lives."""
        tensor = torch.ones(size, dtype=dtype, device="meta").as_subclass(self._tensor)
        self.virtual.take(tensor, size * dtype.itemsize)
        return tensor

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


class MetalTensor(torch.Tensor):
    """A tensor that refuses double precision as one on a Metal device does, until it is on the CPU."""

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function is torch.Tensor.to and torch.float64 in args:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as MPS does not support it")
        made = super().__torch_function__(function, types, args, kwargs or {})
        return made.as_subclass(torch.Tensor) if function is torch.Tensor.cpu else made

    def __deepcopy__(self, memo: dict[int, Any]) -> torch.Tensor:
        return self.clone()  # as torch does for a tensor on a Metal device


def bound(real: Any, **effects: Callable[..., Any]) -> SimpleNamespace:
    """A namespace of functions with the signatures of the real ones of those names."""
    functions = {
        name: create_autospec(getattr(real, name), side_effect=effect) for name, effect in effects.items()
    }
    return SimpleNamespace(**functions)


def graph_object(device: VirtualDevice) -> Any:
    """What ``torch.cuda.CUDAGraph()`` makes: it remembers what was captured, and does it again."""
    graph = create_autospec(torch.cuda.CUDAGraph, instance=True)
    graph.captured = []

    def replay() -> None:
        for seconds in graph.captured:
            device.work(seconds, "replay")

    graph.replay.side_effect = replay
    return graph


@contextmanager
def capture(device: VirtualDevice, graph: Any) -> Iterator[None]:
    """Work goes into the graph instead of the queue."""
    device.captured = graph.captured
    try:
        yield
    finally:
        device.captured = None


def event_type(device: VirtualDevice) -> Callable[..., Any]:
    """What makes events as ``torch.cuda.Event`` does, on a virtual device."""
    signature = inspect.signature(torch.cuda.Event)

    def make(*args: Any, **kwargs: Any) -> Any:
        timed = signature.bind(*args, **kwargs).arguments.get("enable_timing", False)
        event = create_autospec(torch.cuda.Event, instance=True)

        def record(stream: Any = None) -> None:
            assert stream is None or stream.device_index == device.current
            device.log.append("record")
            event.at = device.queued

        def elapsed_time(end: Any) -> float:
            if not timed or end.at > device.seen:
                raise RuntimeError("both events must time, and be completed, before their time is asked for")
            return float(end.at - event.at) / 1e6

        event.record.side_effect = record
        event.elapsed_time.side_effect = elapsed_time
        device.log.append("create")
        return event

    return make
