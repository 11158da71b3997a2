"""Which devices are here, and what they can do: asked of a worker, since only that imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsbench.child import Child, ChildError
from dsbench.records import Environment

DESCRIBE_TIMEOUT = 120.0
"""Seconds a worker may take to import torch and look for devices."""

CEILINGS_TIMEOUT = 300.0
"""Seconds that all ceilings of a device may take."""


class UnavailableError(Exception):
    """The backend asked for is not here; the message says what was looked for and what was found."""


def begin(
    backend: str,
    index: int = 0,
    machine: str = "",
    results: str = "results",
    affinity: tuple[int, ...] = (),
) -> tuple[dict[str, Any], Environment | None, Child]:
    """Asks a worker which devices are here.

    Args:
        backend: a backend's name, ``auto`` or ``all``.
        index: which device of the backend to describe.
        affinity: the cores that workers are kept on, all of them when empty.

    Returns:
        What was found a backend (``{"devices": [...], "reason": ...}``, and ``"advice"`` of the one that
        would be measured), in the order looked for; the environment of that device, None when it is not
        there; and the worker, which has done nothing else and waits for a job, so that importing torch
        is paid once less. Whoever asked has to close it.

    Raises:
        UnavailableError: the worker itself could not run, for lack of torch say.
    """
    found: dict[str, Any] = {}
    environment = None
    child = Child(
        {
            "type": "describe",
            "backend": backend,
            "index": index,
            "machine": machine,
            "results": results,
            "affinity": affinity,
        }
    )
    try:
        for message in child.messages(DESCRIBE_TIMEOUT):
            if message["type"] == "availability":
                found[message["backend"]] = message
            else:
                environment = Environment.from_json(message["environment"])
                found[environment.device.backend]["advice"] = message["advice"]
    except ChildError as error:
        child.close()
        raise UnavailableError(f"looking for devices failed: {error.reason}") from None
    except BaseException:
        child.close()
        raise
    return found, environment, child


def look_for(
    backend: str,
    index: int = 0,
    machine: str = "",
    results: str = "results",
    affinity: tuple[int, ...] = (),
) -> tuple[dict[str, Any], Environment | None]:
    """What `begin` finds, when nothing is measured afterwards."""
    found, environment, child = begin(backend, index, machine, results, affinity)
    child.close()
    return found, environment


def find_ceilings(backend: str, index: int) -> dict[str, float | str]:
    """What a device can do at best, measured in a worker: FLOP/s by precision and bytes a second for
    ``copy``, or the reason in place of a rate that could not be measured.

    Raises:
        UnavailableError: the worker died; the message says of what.
    """
    found: dict[str, float | str] = {}
    try:
        with Child({"type": "ceilings", "backend": backend, "index": index, "affinity": ()}) as child:
            for message in child.messages(CEILINGS_TIMEOUT):
                found[message["name"]] = message["rate"] if "rate" in message else message["reason"]
    except ChildError as error:
        raise UnavailableError(f"measuring the ceilings failed: {error.reason}") from None
    return found


def unavailable(backend: str, index: int, found: Mapping[str, Any]) -> UnavailableError:
    """Says what was looked for and found when `look_for` brought no environment."""
    here = {name: answer["devices"] for name, answer in found.items() if answer["devices"]}
    if here:
        name, devices = next(iter(here.items()))
        listed = ", ".join(f"{name}:{number} {device}" for number, device in enumerate(devices))
        return UnavailableError(f"there is no device {name}:{index}; there is {listed}")
    reasons = "; ".join(f"{name}: {answer['reason']}" for name, answer in found.items())
    return UnavailableError(f"backend {backend} is not available here. {reasons}")
