"""What state a device and its host are in, and what between two looks may have disturbed a reading."""

from __future__ import annotations

from dataclasses import dataclass

WAITED = 0.02
"""Share of the time that threads have waited for a core, above which readings scatter: the kernel's own
interrupts cost a tenth of it."""

STOLEN = 0.02
"""Share of the time taken by the hypervisor, above which it is a cause: one tick of a window of 50."""

TICK = 0.011
"""Seconds, a little more than the kernel's tick: stolen time below it may have been stolen before."""

SWITCHES = 50
"""Involuntary context switches a second, above which others want the cores, where waiting is not known."""


@dataclass(frozen=True)
class Condition:
    """A device and its host at one moment; None where it is unknown.

    `time` is in seconds of a monotonic clock; `clock` and `clock_limit` in MHz of the device, `throttle`
    the reasons why it is held below; `temperature` in °C, `power` in W; `foreign` names other processes
    on the device. `waited` (seconds that this process's threads have waited for a core), `switches`
    (involuntary context switches) and `stolen` (seconds taken by a hypervisor) count up since any moment;
    `load` is the host's over a minute and `frequency` its cores' in MHz.
    """

    time: float
    clock: float | None = None
    clock_limit: float | None = None
    throttle: tuple[str, ...] = ()
    temperature: float | None = None
    power: float | None = None
    foreign: tuple[str, ...] = ()
    waited: float | None = None
    switches: int | None = None
    stolen: float | None = None
    load: float | None = None
    frequency: float | None = None


def disturbance(before: Condition, after: Condition, cores: int) -> str:
    """What disturbed the time between two looks, in words; empty when nothing did.

    A clock below its limit is no cause by itself, since devices lower it when they idle and power
    limits hold it there by design; it is one with a reason to throttle.

    Args:
        before, after: looks at the same device in this process.
        cores: how many cores the measured work may use.
    """
    seconds = after.time - before.time
    if seconds <= 0:
        return ""
    causes = []
    if before.waited is not None and after.waited is not None:
        waited = (after.waited - before.waited) / (seconds * cores)
        causes += [f"waited {waited:.0%} of the time for a core"] if waited > WAITED else []
    elif before.switches is not None and after.switches is not None:
        rate = (after.switches - before.switches) / seconds
        causes += [f"lost a core {rate:.0f} times a second"] if rate > SWITCHES * cores else []
    if before.stolen is not None and after.stolen is not None:
        stolen = after.stolen - before.stolen
        share = stolen / (seconds * cores)
        causes += [f"the hypervisor took {share:.0%} of the time"] if share > STOLEN and stolen > TICK else []
    if throttle := tuple(dict.fromkeys((*before.throttle, *after.throttle))):
        at = (
            f", clock {after.clock:.0f} of {after.clock_limit:.0f} MHz"
            if after.clock and after.clock_limit
            else ""
        )
        causes.append(f"throttled: {', '.join(throttle)}{at}")
    causes += [
        f"{process} is on the device too" for process in dict.fromkeys((*before.foreign, *after.foreign))
    ]
    return "; ".join(causes)
