"""Batching policies: when to start, and with how many of those that wait.

Before every step of the model a policy is asked ``admit`` how many requests to take in. When it takes none
and the model is idle, it is asked again when another request comes, or at the moment that ``wake`` names.
After a step it is told how long that took (``stepped``). Times are in seconds on any one clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Policy:
    """Takes up to `size` of those that wait as soon as the model is idle; `size` 1 is no batching."""

    size: int = 1

    def admit(self, now: float, waiting: int, oldest: float, inside: int, more: bool) -> int:
        """How many to take in before the next step.

        Args:
            now: the time.
            waiting: how many requests wait, at least one.
            oldest: when the first of them came.
            inside: how many the model is busy with already.
            more: whether others may still come before any of these is answered.
        """
        del now, oldest, more
        return 0 if inside else min(waiting, self.size)

    def wake(self, oldest: float) -> float:
        """When to ask again though nobody else has come; `oldest` as above."""
        del oldest
        return math.inf

    def stepped(self, seconds: float, inside: int) -> None:
        """A step with so many requests in the model took so long."""


@dataclass
class Static(Policy):
    """Waits until `size` requests are there, however long that takes; the last batch may be smaller."""

    def admit(self, now: float, waiting: int, oldest: float, inside: int, more: bool) -> int:
        if waiting < self.size and more:
            return 0
        return super().admit(now, waiting, oldest, inside, more)


@dataclass
class Window(Policy):
    """Waits until `size` requests are there or the first of them has waited `wait` seconds."""

    wait: float = 0.005

    def admit(self, now: float, waiting: int, oldest: float, inside: int, more: bool) -> int:
        if waiting < self.size and more and now < self.wake(oldest):
            return 0
        return super().admit(now, waiting, oldest, inside, more)

    def wake(self, oldest: float) -> float:
        return oldest + self.wait


@dataclass
class Adaptive(Policy):
    """Never waits; finds the largest batch that the promise `slo` (seconds) allows by additive increase
    and multiplicative decrease of its limit (AIMD), up to `size`.

    A request that just missed a batch waits for one and is in the next, so a step may take half of the
    promise. One more after a full batch that kept to it, a tenth less after one that did not: Crankshaw et
    al., "Clipper", NSDI 2017, section 4.3.1.
    """

    slo: float = 0.05
    limit: float = field(default=1.0, init=False)

    def admit(self, now: float, waiting: int, oldest: float, inside: int, more: bool) -> int:
        return min(int(self.limit), super().admit(now, waiting, oldest, inside, more))

    def stepped(self, seconds: float, inside: int) -> None:
        if seconds > self.slo / 2:
            self.limit = max(1.0, 0.9 * self.limit)
        elif inside >= int(self.limit):
            self.limit = min(self.limit + 1, float(self.size))


@dataclass
class Continuous(Policy):
    """Takes requests in before any step, as long as the model holds fewer than `size`: those that are done
    leave, and others take their place. Yu et al., "Orca", OSDI 2022."""

    def admit(self, now: float, waiting: int, oldest: float, inside: int, more: bool) -> int:
        del now, oldest, more
        return min(waiting, self.size - inside)
