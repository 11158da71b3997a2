"""What every device family can do; a device waits only in these classes."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from dsbench.records import Device, Status


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

    @abstractmethod
    def time(self, call: Callable[[], Any], samples: int, calls: int = 1, cold: bool = False) -> list[float]:
        """Takes samples of the time of one call.

        Args:
            call: the work; what it returns is dropped.
            samples: how many readings to take.
            calls: how many calls each reading averages over.
            cold: whether the last-level cache is flushed before each reading, outside of it.

        Returns:
            Seconds per call, one number a sample.

        Raises:
            UnsupportedError: this family cannot flush its cache, or cannot loop cold.
        """

    @property
    @abstractmethod
    def resolution(self) -> float:
        """The shortest time a reading should span for the clock to see it, in seconds."""

    @abstractmethod
    def peak_memory(self, call: Callable[[], Any]) -> int:
        """The most bytes held at once during one call, beyond what was held before it.

        Raises:
            UnsupportedError: this family, or this operating system, cannot say.
        """

    @abstractmethod
    def free_memory(self) -> int | None:
        """Bytes that could be allocated now; None when the device does not say."""

    @abstractmethod
    def release(self) -> None:
        """Gives cached memory back, so that one case does not weigh on the next."""

    @abstractmethod
    def copy(self, value: Any) -> Any:
        """A deep copy of inputs (tensors and plain values, in mappings and sequences)."""

    @abstractmethod
    def identical(self, left: Any, right: Any) -> bool:
        """Whether two inputs are the same to the last bit; NaN equals itself."""

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
