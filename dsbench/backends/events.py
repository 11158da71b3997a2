"""Timing by events on the device's own queue: what CUDA and ROCm share, since torch calls both ``cuda``."""

from __future__ import annotations

import gc
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

from dsbench.backends import profiling
from dsbench.backends.activity import Activity, of_device
from dsbench.backends.base import Allocations, Availability, UnsupportedError
from dsbench.backends.condition import Condition
from dsbench.backends.cuda_snapshot import block_lines
from dsbench.backends.profiling import Profile
from dsbench.backends.sensors import Sensors, ask
from dsbench.backends.torch_backend import TorchBackend, find_devices
from dsbench.records import Device

FASTEST_CLOCK = 2.5e9
"""Cycles a second that no device's core clock exceeds by much."""


class EventBackend(TorchBackend):
    """A device in the namespace ``torch.cuda``.

    Args:
        index: which of the devices that torch sees.
        torch: the torch module, imported now when it is None.
        vendor: the vendor's library, imported when the driver's version is asked for.
    """

    platform: ClassVar[str]
    """What torch has to be built for, as its maker spells it."""

    visible: ClassVar[str]
    """The environment variable that hides devices."""

    library: ClassVar[str]
    """The vendor's library that knows the driver's version."""

    missing_library: ClassVar[str]
    """Why the driver is unknown when the library is not installed, and how to install it."""

    sensors: ClassVar[type[Sensors]]
    """What asks that library about a device while it is measured."""

    triton: ClassVar[tuple[str, ...]]
    """The distributions that Triton comes in."""

    def __init__(self, index: int = 0, torch: Any = None, vendor: Any = None) -> None:
        super().__init__(index, torch)
        self._vendor = vendor

    @staticmethod
    @abstractmethod
    def built_for(torch: Any) -> str | None:
        """The version of the platform that torch was built for, None when it was not."""

    @staticmethod
    @abstractmethod
    def ask_driver(vendor: Any) -> str:
        """The driver's version, from the vendor's library; raises whatever that raises."""

    @property
    @abstractmethod
    def cache(self) -> int | None:
        """Bytes of the last-level cache, None when it is unknown."""

    @property
    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The versions of the platform's own libraries."""

    @classmethod
    def availability(cls, torch: Any = None, vendor: Any = None) -> Availability:
        return find_devices(cls.name, torch, lambda found: cls._find(found, vendor))

    @classmethod
    def _find(cls, torch: Any, vendor: Any) -> list[str]:
        built = cls.built_for(torch)
        if built is None:
            raise UnsupportedError(
                f"torch {torch.__version__} is built without {cls.platform} "
                f"(torch.version.cuda is {torch.version.cuda}, torch.version.hip is {torch.version.hip})"
            )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")  # torch says in a warning what keeps it from a device
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            driver, unknown = cls._driver(vendor)
            causes = [str(warning.message) for warning in caught]
            causes.append(f"there is a driver {driver}, so look at {cls.visible}" if driver else unknown)
            raise UnsupportedError(
                f"torch {torch.__version__} is built for {cls.platform} {built} but sees no device: "
                + "; ".join(causes)
            )
        return [torch.cuda.get_device_name(index) for index in range(count)]

    @classmethod
    def _driver(cls, vendor: Any) -> tuple[str, str]:
        """The driver's version, and why it is unknown; one of them is empty."""
        driver, unknown = ask(cls.library, cls.missing_library, vendor, cls.ask_driver)
        return driver or "", unknown

    @property
    def device(self) -> str:
        return f"cuda:{self.index}"

    @property
    def properties(self) -> Any:
        """What torch knows of the device."""
        return self.torch.cuda.get_device_properties(self.index)

    def describe(self) -> Device:
        driver, unknown = self._driver(self._vendor)
        versions = {"torch": str(self.torch.__version__), **self.versions, **self._triton()}
        return Device(
            self.name,
            self.device_name,
            self.index,
            driver=driver,
            memory=self.properties.total_memory,
            cache=self.cache,
            versions=versions if driver else {**versions, "driver": f"unknown: {unknown}"},
        )

    @property
    def device_name(self) -> str:
        """The device's name."""
        return str(self.properties.name)

    def _triton(self) -> dict[str, str]:
        for distribution in self.triton:
            try:
                return {"triton": version(distribution)}
            except PackageNotFoundError:
                continue
        return {}

    def prepare(self, seed: int) -> None:
        """Seeds every generator and makes this the process's current device, which kernels that are not
        torch's are launched on."""
        self.torch.cuda.set_device(self.index)
        super().prepare(seed)

    def _seed(self, seed: int) -> None:
        super()._seed(seed)
        self.torch.cuda.manual_seed(seed)

    def synchronize(self) -> None:
        self.torch.cuda.synchronize(self.index)

    @property
    def resolution(self) -> float:
        """20 µs: events resolve 0.5 µs on CUDA and 1 µs on HIP by their documentation, a few per cent of
        a single reading of 20 µs and less of the median of many, which start at random between two
        ticks; more would loop kernels that are long enough to be timed one by one.

        Source: the documentation of ``cudaEventElapsedTime`` and ``hipEventElapsedTime``.
        """
        return 20e-6

    def _readings(
        self, call: Callable[[], Any], samples: int, calls: int, before: Callable[[], None], lead: float
    ) -> list[float]:
        cuda = self.torch.cuda
        stream = cuda.current_stream(self.index)
        starts, ends = ([cuda.Event(enable_timing=True) for _ in range(samples)] for _ in range(2))
        for event in (*starts, *ends):
            event.record(stream)  # torch creates an event when it is first recorded, which takes time
        for start, end in zip(starts, ends, strict=True):
            before()
            self._occupy(lead)
            start.record(stream)
            for _ in range(calls):
                call()
            end.record(stream)
        self.synchronize()
        return [start.elapsed_time(end) / 1e3 / calls for start, end in zip(starts, ends, strict=True)]

    def _occupy(self, seconds: float) -> None:
        """Queues a kernel that does nothing for so long, as nvbench's blocking kernel does.

        The clock it counts is not faster than `FASTEST_CLOCK`, so it may take longer but never less.
        """
        if seconds > 0:
            self.torch.cuda._sleep(round(seconds * FASTEST_CLOCK))

    def launch(self, call: Callable[[], Any], samples: int) -> list[float]:
        return self._launches(call, samples)

    def graph(self, call: Callable[[], Any], calls: int = 1) -> Callable[[], None]:
        """Captures after three calls on a stream of their own, as torch's notes on CUDA graphs ask for."""
        cuda = self.torch.cuda
        current, side = cuda.current_stream(self.index), cuda.Stream(self.index)
        graph = cuda.CUDAGraph()
        try:
            side.wait_stream(current)
            with cuda.stream(side):
                for _ in range(3):
                    call()
            current.wait_stream(side)
            with cuda.graph(graph):
                for _ in range(calls):
                    call()
        except RuntimeError as error:  # out of memory too: a graph keeps a pool of its own
            reason = str(error).strip().splitlines()[0]
            raise UnsupportedError(f"the call cannot be captured as a graph: {reason}") from error
        replay: Callable[[], None] = graph.replay
        return replay

    def profile(self, call: Callable[[], Any], calls: int, trace: Path | None = None) -> Profile:
        """The device's kernels; the host's operators where the profiler cannot see those."""
        return profiling.profile(self.torch, call, calls, trace, self.synchronize, device=True)

    @cached_property
    def _sensors(self) -> tuple[Sensors | None, str]:
        """The opened sensors, and why there are none."""
        return ask(
            self.library,
            self.missing_library,
            self._vendor,
            lambda vendor: self.sensors(vendor, self.properties),
        )

    def condition(self) -> Condition:
        host, (sensors, _) = super().condition(), self._sensors
        return sensors.look(host) if sensors else host

    def identity(self) -> dict[str, Any]:
        return {name: _plain(getattr(self.properties, name)) for name in self.sensors.IDENTITY}

    @classmethod
    def activity(cls, pid: int, identity: Mapping[str, Any]) -> tuple[Activity | None, str]:
        del pid  # the device's libraries do not tell processes apart
        return of_device(cls.sensors, cls.library, cls.missing_library, identity)

    def advice(self) -> tuple[str, ...]:
        sensors, missing = self._sensors
        if sensors is None:
            return (f"clocks, heat and power are not seen: {missing}",)
        others = (
            f"{process} is on the device: end it, or use another device" for process in sensors.foreign()
        )
        return (*sensors.advice(), *others)

    def energy(self) -> float:
        sensors, missing = self._sensors
        if sensors is None:
            raise UnsupportedError(f"no energy counter of the device: {missing}")
        try:
            return sensors.joules()
        except Exception as error:
            reason = f"{self.library} says: {error}"
            raise UnsupportedError(f"no energy counter of the device: {reason}") from error

    def peak_memory(self, call: Callable[[], Any]) -> int:
        """The most that torch's allocator had handed out; memory that a library takes past it is not
        seen."""
        cuda = self.torch.cuda
        gc.collect()  # garbage that is dropped during the call would hide what the call takes
        before = int(cuda.memory_allocated(self.index))
        cuda.reset_peak_memory_stats(self.index)
        call()
        self.synchronize()
        return int(cuda.max_memory_allocated(self.index)) - before

    def held(self) -> dict[str, float]:
        return {**super().held(), "device": float(self.torch.cuda.memory_allocated(self.index))}

    def footprint(self) -> dict[str, float]:
        return {**super().footprint(), "reserved": float(self.torch.cuda.memory_reserved(self.index))}

    def allocations(self) -> dict[str, Allocations]:
        look = partial(block_lines, self.torch.cuda.memory, synchronize=self.synchronize)
        return {"blocks of the device": look, **super().allocations()}

    def free_memory(self) -> int:
        """What the driver has left and what torch's allocator holds without using it."""
        cuda = self.torch.cuda
        free, _ = cuda.mem_get_info(self.index)
        unused = cuda.memory_reserved(self.index) - cuda.memory_allocated(self.index)
        return int(free + unused)

    def release(self) -> None:
        super().release()
        self.torch.cuda.empty_cache()


def _plain(value: Any) -> int | str:
    """A number as it is, anything else (a UUID) as text."""
    return value if isinstance(value, int) else str(value)
