"""What torch's profiler saw of a call: kernels of the device, or operators of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

NO_DEVICE = "this build of torch records nothing on the device"
NOTHING_SEEN = (
    "the profiler saw nothing on the device: the vendor's tracing library (CUPTI, roctracer) is missing, "
    "in use by another profiler, or not permitted to this user"
)


@dataclass(frozen=True)
class Kernel:
    """A kernel, or an operator without what it calls: its seconds and its launches in one call."""

    name: str
    seconds: float
    launches: float


@dataclass(frozen=True)
class Profile:
    """Where the time of a call goes, the longest first; `fallback` says why there are operators where
    kernels were asked for."""

    kind: Literal["kernels", "operators"]
    kernels: tuple[Kernel, ...]
    fallback: str = ""


def profile(
    torch: Any,
    call: Callable[[], Any],
    calls: int,
    trace: Path | None,
    synchronize: Callable[[], None],
    device: bool,
) -> Profile:
    """Runs calls under ``torch.profiler``, after one that is not counted.

    Args:
        torch: the torch module.
        call: the work; what it returns is dropped.
        calls: over how many calls to average.
        trace: where to write a Chrome trace, compressed by gzip when it ends with ``.gz``.
        synchronize: waits until the device has nothing left to do.
        device: whether kernels of the device are asked for; of what else there is, operators are.

    Raises:
        OSError: the trace cannot be written.
    """
    activity = torch.profiler.ProfilerActivity
    seen = device and activity.CUDA in torch.profiler.supported_activities()
    activities = [activity.CPU, *([activity.CUDA] if seen else [])]
    # The first session starts the vendor's tracing, during which the first kernels get lost.
    for times in (1, calls):
        with torch.profiler.profile(activities=activities, acc_events=True) as session:
            for _ in range(times):
                call()
            synchronize()
    if trace is not None:
        session.export_chrome_trace(str(trace))
    events = list(session.events())
    host = torch.autograd.DeviceType.CPU
    if found := device_kernels(events, host, calls):
        return Profile("kernels", found)
    fallback = "" if not device else NOTHING_SEEN if seen else NO_DEVICE
    return Profile("operators", operators(events, host, calls), fallback)


def device_kernels(events: Iterable[Any], host: Any, calls: int) -> tuple[Kernel, ...]:
    """What ran on the device (copies and fills too), from the profiler's events; `host` is the host's
    device type."""
    return _together(
        (
            (event.name, event.self_device_time_total)
            for event in events
            if event.device_type != host and not event.is_user_annotation
        ),
        calls,
    )


def operators(events: Iterable[Any], host: Any, calls: int) -> tuple[Kernel, ...]:
    """The host's operators, each without the time of the operators that it calls."""
    return _together(
        ((event.name, event.self_cpu_time_total) for event in events if event.device_type == host), calls
    )


def _together(found: Iterable[tuple[str, float]], calls: int) -> tuple[Kernel, ...]:
    """Kernels from names and microseconds."""
    spans: dict[str, list[float]] = {}
    for name, microseconds in found:
        spans.setdefault(name, []).append(microseconds)
    kernels = (Kernel(name, sum(times) / 1e6 / calls, len(times) / calls) for name, times in spans.items())
    return tuple(sorted(kernels, key=lambda kernel: -kernel.seconds))
