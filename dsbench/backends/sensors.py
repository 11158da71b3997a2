"""What a vendor's library says of one device while it is measured."""

from __future__ import annotations

import contextlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar, TypeVar

import psutil

from dsbench.backends.condition import Condition

Answer = TypeVar("Answer")

FRESH = 1.0
"""Seconds for which the list of processes is kept: it is the slowest question, and processes that come
and go faster than that are caught by the scatter of the readings."""

HIDDEN = "a process of another container"
"""What a process is called that has no number here."""


class Sensors(ABC):
    """One device of an opened library, which stays open until this process ends.

    Args:
        vendor: the vendor's library.
        properties: what torch knows of the device, which tells the library which one is meant: the
            numbers that torch and the library give to devices differ as soon as some are hidden.
    """

    @abstractmethod
    def __init__(self, vendor: Any, properties: Any) -> None:
        self._looked = -FRESH
        self._foreign: tuple[str, ...] = ()

    @abstractmethod
    def look(self, host: Condition) -> Condition:
        """The condition of the host with that of the device. What this device does not tell is unknown,
        never an error."""

    @abstractmethod
    def joules(self) -> float:
        """What the device has consumed since any moment; raises whatever the library raises."""

    IDENTITY: ClassVar[tuple[str, ...]]
    """What of the properties tells the library which device is meant; texts and numbers."""

    @abstractmethod
    def activity(self) -> dict[str, float]:
        """How busy the device and its units are, as shares of one, without what it does not tell:
        ``device_busy``, ``sm_active``, ``sm_occupancy``, ``tensor_active``, ``dram_active``."""

    def advice(self) -> tuple[str, ...]:
        """What of the device's settings and state disturbs measurements, each with what to do about it."""
        return ()

    @abstractmethod
    def processes(self) -> list[int]:
        """The numbers of the processes that have the device open to compute on it."""

    def foreign(self) -> tuple[str, ...]:
        """The processes beside this one that have the device open, at most a second old.

        One that is idle counts too: whether it works can be asked of few devices, and it may start to
        between two looks. In a container with process numbers of its own the list may hold the host's
        numbers, of which none is this process's; one of them is taken to be, so that the others count.
        """
        if time.monotonic() - self._looked >= FRESH:
            self._looked = time.monotonic()
            self._foreign = ()
            with contextlib.suppress(Exception):
                self._foreign = foreign(self.processes(), os.getpid())
        return self._foreign


def foreign(listed: list[int], own: int) -> tuple[str, ...]:
    """A description of each process of a device's list that is not this one."""
    if own in listed:
        return tuple(f"process {number}{_name(number)}" for number in listed if number != own)
    return (HIDDEN,) * (len(listed) - 1)


def _name(number: int) -> str:
    with contextlib.suppress(psutil.Error):
        return f" ({psutil.Process(number).name()})"
    return ""


def ask(
    library: str, missing: str, vendor: Any, question: Callable[[Any], Answer]
) -> tuple[Answer | None, str]:
    """Asks a vendor's library, imported now unless it is given.

    Returns:
        The answer, and why there is none; one of them is empty.
    """
    try:
        return question(import_module(library) if vendor is None else vendor), ""
    except ModuleNotFoundError:
        return None, missing
    except Exception as error:  # amdsmi raises even KeyError when it finds no library to load
        return None, f"{library} says: {error}"


def known(question: Callable[..., Any], *arguments: Any) -> Any:
    """The answer to a question, None when the device does not support it."""
    try:
        return question(*arguments)
    except Exception:  # NVML and amdsmi have errors of their own, and older versions lack functions
        return None
