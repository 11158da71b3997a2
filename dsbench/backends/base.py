"""What every device family can do; a device waits only in these classes."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from dsbench.backends import held
from dsbench.backends.activity import Activity, of_process
from dsbench.backends.condition import Condition
from dsbench.backends.host_condition import host_condition
from dsbench.backends.native import native_lines
from dsbench.backends.objects import object_lines
from dsbench.backends.profiling import Profile
from dsbench.records import Device, Status

Allocations = Callable[[Callable[[], Any], int], dict[str, float]]
"""Takes a step and how often to take it; gives bytes a step that stay, by the line that asked for them."""


AWAKE = 1e-3
"""Seconds before the end of a wait in which the host does not sleep any more."""


class UnsupportedError(Exception):
    """The device, or this installation, cannot do what was asked; the message says why."""


@dataclass(frozen=True)
class Availability:
    """The devices of a family by name, in the order of their index; when there are none, `reason`
    says what was looked for and what was found."""

    backend: str
    devices: tuple[str, ...] = ()
    reason: str = ""

    @property
    def usable(self) -> bool:
        return bool(self.devices)


class Backend(ABC):
    """One device of a family. Times are seconds, sizes are bytes."""

    name: ClassVar[str]
    on_host: ClassVar[bool] = False
    """Whether calls are computed by threads of this process, so that its processor time is theirs."""

    def __init__(self, index: int = 0) -> None:
        self.index = index

    @classmethod
    @abstractmethod
    def availability(cls) -> Availability:
        """Which devices of this family are here, or why there are none. Never raises."""

    @property
    @abstractmethod
    def device(self) -> str:
        """The device as a suite's inputs function takes it, such as ``cuda:0``."""

    @abstractmethod
    def describe(self) -> Device:
        """The device, its driver and the versions that decide how fast it is."""

    @abstractmethod
    def prepare(self, seed: int) -> None:
        """Seeds every generator and fixes what must not vary between cases."""

    @abstractmethod
    def synchronize(self) -> None:
        """Waits until the device has nothing left to do."""

    def now(self) -> float:
        """Seconds on the clock that budgets are kept by; the host's, unless the device is simulated."""
        return time.perf_counter()

    def wait(self, moment: float) -> None:
        """Lets the host sleep until `now` gives this moment, the last of it awake, because a sleep may end
        late; returns at once when it has passed."""
        while (left := moment - self.now()) > 0:
            if left > AWAKE:
                time.sleep(left - AWAKE)

    @abstractmethod
    def time(
        self, call: Callable[[], Any], samples: int, calls: int = 1, cold: bool = False, lead: float = 0.0
    ) -> list[float]:
        """Takes samples of the time of one call.

        Args:
            call: the work; what it returns is dropped.
            samples: how many readings to take.
            calls: how many calls each reading averages over.
            cold: whether the last-level cache is flushed before each reading, outside of it.
            lead: seconds for which the device is kept busy before each reading, outside of it, so that
                the host can launch the reading's calls ahead; nothing where the host itself computes.

        Returns:
            Seconds per call, one number a sample.

        Raises:
            UnsupportedError: this family cannot flush its cache, or cannot loop cold.
        """

    @cached_property
    def flush_time(self) -> float:
        """Seconds that a reading with a flushed cache takes beside its call, measured once a process.

        Raises:
            UnsupportedError: this family cannot flush its cache.
        """

        def nothing() -> None:
            """Leaves of a cold reading only the flush."""

        self.time(nothing, 1, cold=True)  # makes what the flush reads
        began = self.now()
        self.time(nothing, 1, cold=True)
        return self.now() - began

    def launch(self, call: Callable[[], Any], samples: int) -> list[float]:
        """Seconds that the host is busy with one call while the device has nothing else to do, a number
        a sample; the call is not waited for.

        Raises:
            UnsupportedError: the host computes itself, so that nothing is launched.
        """
        del call, samples
        raise UnsupportedError(f"{self.name}: the host computes itself, so that nothing is launched")

    def graph(self, call: Callable[[], Any], calls: int = 1) -> Callable[[], None]:
        """Captures calls as one graph on the device, and returns what replays it.

        Raises:
            UnsupportedError: the family has no graphs, or the call cannot be captured.
        """
        del call, calls
        raise UnsupportedError(f"{self.name}: there are no graphs to replay")

    @abstractmethod
    def profile(self, call: Callable[[], Any], calls: int, trace: Path | None = None) -> Profile:
        """Says where the time of a call goes.

        Args:
            call: the work; what it returns is dropped.
            calls: over how many calls to average, one that comes before them left out.
            trace: where to write a Chrome trace (``.json`` or ``.json.gz``) of those calls.

        Raises:
            OSError: the trace cannot be written.
        """

    @property
    @abstractmethod
    def resolution(self) -> float:
        """The shortest time a reading should span for the clock to see it, in seconds."""

    def condition(self) -> Condition:
        """The state of the device and its host now; cheap enough to be asked before and after every turn."""
        return host_condition()

    def identity(self) -> dict[str, Any]:
        """What tells `activity` in another process which device is meant; texts and numbers."""
        return {"cores": self.cores}

    @classmethod
    def activity(cls, pid: int, identity: Mapping[str, Any]) -> tuple[Activity | None, str]:
        """How to see from another process how busy the device is, and why that cannot be seen; one of
        them is empty. Needs no torch.

        Args:
            pid: the process that works on it.
            identity: what `identity` says in that process.
        """
        return of_process(pid, identity["cores"]), ""

    def energy(self) -> float:
        """Joules that the device has consumed, whoever used it, since any moment.

        Raises:
            UnsupportedError: there is no counter of them, or it may not be read.
        """
        raise UnsupportedError(f"{self.name}: there is no counter of the device's energy")

    def advice(self) -> tuple[str, ...]:
        """What of the device's settings and state disturbs measurements, each with what to do about it."""
        return ()

    @property
    def cores(self) -> int:
        """How many of the host's cores a call may keep busy."""
        return 1

    @abstractmethod
    def peak_memory(self, call: Callable[[], Any]) -> int:
        """The most bytes held at once during one call, beyond what was held before it.

        Raises:
            UnsupportedError: this family, or this operating system, cannot say.
        """

    def held(self) -> dict[str, float]:
        """Bytes that are handed out now, by allocators that count them to the byte; cheap enough to be
        asked after every step."""
        return held.exact()

    def footprint(self) -> dict[str, float]:
        """What is counted in coarse steps or slowly: bytes of whole pages or segments, open files."""
        return held.footprint()

    def allocations(self) -> dict[str, Allocations]:
        """What can name the lines whose memory outlives a step, by what it sees."""
        return {"objects of Python": object_lines, "native memory": native_lines}

    @abstractmethod
    def free_memory(self) -> int | None:
        """Bytes that could be allocated now; None when the device does not say."""

    @abstractmethod
    def release(self) -> None:
        """Gives cached memory back, so that one case does not weigh on the next."""

    @abstractmethod
    def product(self, precision: str, size: int) -> Callable[[], Any]:
        """A product of two square matrices of random numbers, to see how fast the device can be.

        Args:
            precision: of the operands, such as ``float32``; that is not lowered to go faster.
            size: rows and columns.

        Raises:
            Exception: whatever a device raises that has no such product.
        """

    @abstractmethod
    def copying(self) -> tuple[Callable[[], Any], int]:
        """A copy far larger than any cache, and the bytes it reads and writes."""

    @abstractmethod
    def copy(self, value: Any) -> Any:
        """A deep copy of inputs (tensors and plain values, in mappings and sequences)."""

    @abstractmethod
    def identical(self, left: Any, right: Any) -> bool:
        """Whether two inputs are the same to the last bit; NaN equals itself."""

    @abstractmethod
    def buffers(self, value: Any) -> set[tuple[str, int]]:
        """The memory that the arrays of a nested value lie in: device and address of each piece that is
        not empty. Two values that have a piece in common are aliases of each other, views of it or not."""

    @abstractmethod
    def relative_error(self, actual: Any, expected: Any) -> float:
        """The distance ‖actual − expected‖ / ‖expected‖ in double precision; infinite when a number
        is not finite where the expected one is.

        Raises:
            ValueError: the shapes differ.
        """

    def status_of(self, error: BaseException) -> Status:
        """What an exception of a candidate means."""
        if isinstance(error, MemoryError):
            return Status.OOM
        if isinstance(error, (UnsupportedError, NotImplementedError)):
            return Status.UNSUPPORTED
        return Status.ERROR
