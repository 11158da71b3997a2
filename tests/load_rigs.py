"""An engine whose steps cost what a formula says, and what serves it in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsbench.load.serving import Policy, Served, serve
from dsbench.load.virtual import VirtualClock


class Formula:
    """Spends `fixed` seconds a step and `each` a request inside; request i stays for ``lives(i)`` steps and
    is answered by its own number."""

    def __init__(
        self,
        spend: Callable[[float], None],
        fixed: float = 0.010,
        each: float = 0.0,
        lives: Callable[[int], int] = lambda request: 1,
    ) -> None:
        self.spend, self.fixed, self.each, self.lives = spend, fixed, each, lives
        self.left: dict[int, int] = {}

    def steps(self, request: int) -> int:
        return self.lives(request)

    def alone(self, request: int) -> int:
        return request

    def step(self, admitted: Sequence[int]) -> dict[int, int]:
        self.left |= {request: self.lives(request) for request in admitted}
        self.spend(self.fixed + self.each * len(self.left))
        self.left = {request: left - 1 for request, left in self.left.items()}
        done = {request: request for request, left in self.left.items() if not left}
        self.left = {request: left for request, left in self.left.items() if left}
        return done


class Virtual:
    """A virtual clock and an engine on it."""

    def __init__(self, **costs: object) -> None:
        self.clock = VirtualClock()
        self.engine = Formula(self.spend, **costs)  # type: ignore[arg-type]

    def spend(self, seconds: float) -> None:
        self.clock.time += seconds

    def serve(self, policy: Policy, moments: Sequence[float], **options: object) -> Served:
        return serve(self.engine, policy, moments, self.clock, **options)  # type: ignore[arg-type]
