"""The loop that serves: requests come at their moments, a policy batches them, an engine answers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    """Seconds since any moment, and a way to let them pass."""

    def now(self) -> float: ...

    def wait(self, moment: float) -> None: ...


class Engine(Protocol):
    """What computes. A step takes requests in and gives the answers of those that are done with it, all
    waited for; `steps` says how many steps a request stays for, `alone` its answer when it is by itself."""

    def step(self, admitted: Sequence[int]) -> Mapping[int, Hashable]: ...

    def steps(self, request: int) -> int: ...

    def alone(self, request: int) -> Hashable: ...


class Policy(Protocol):
    """Who is taken in when; `reference_models.batching.policies.Policy` says what each call means."""

    def admit(self, now: float, waiting: int, oldest: float, inside: int, more: bool) -> int: ...

    def wake(self, oldest: float) -> float: ...

    def stepped(self, seconds: float, inside: int) -> None: ...


@dataclass
class Served:
    """What became of each request, in seconds from the start: when it was meant to come, when it was sent,
    when the engine took it in and when it was answered (NaN when it was not), and the answers. Of each step
    how long it took and how many were inside; how late the loop woke up each time it had slept."""

    intended: list[float]
    sent: list[float]
    started: list[float]
    finished: list[float]
    answers: dict[int, Hashable] = field(default_factory=dict)
    steps: list[tuple[float, int]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    ended: float = 0.0


def serve(
    engine: Engine,
    policy: Policy,
    arrivals: Sequence[float],
    clock: Clock,
    in_flight: int | None = None,
    until: float = math.inf,
) -> Served:
    """Serves every request, and drains what is inside after the last has come.

    An open loop (`in_flight` None) sends each request at its moment, whatever became of the others, as
    users do. A closed loop sends the next one only when fewer than `in_flight` are unanswered, as load
    generators with so many clients do, and so holds back just when the engine is slow.

    Args:
        arrivals: when requests are meant to come, in seconds from the start, in order.
        until: seconds after which to stop taking requests in, so that an overload ends; what is inside by
            then is still answered.

    Raises:
        RuntimeError: the policy would wait for ever, or takes more than wait.
    """
    count, limit = len(arrivals), math.inf if in_flight is None else in_flight
    empty = [math.nan] * count
    done = Served(list(arrivals), [*empty], [*empty], [*empty])
    waiting: deque[int] = deque()
    inside = coming = 0
    origin, woken = clock.now(), 0.0

    def come(now: float, freed: float = 0.0) -> None:
        """Those whose moment has come; a client that was waiting for an answer sends when it has it."""
        nonlocal coming
        while coming < count and arrivals[coming] <= now and len(waiting) + inside < limit:
            done.sent[coming] = max(arrivals[coming], freed)
            waiting.append(coming)
            coming += 1

    while waiting or inside or coming < count:
        now = max(clock.now() - origin, woken)  # rounding must not bring a moment back that was waited for
        come(now)
        if now > until:
            waiting.clear()
            coming = count
            if not inside:
                break
        open_ = coming < count and len(waiting) + inside < limit
        oldest = done.sent[waiting[0]] if waiting else math.inf
        take = policy.admit(now, len(waiting), oldest, inside, open_) if waiting else 0
        if not 0 <= take <= len(waiting):
            raise RuntimeError(f"the policy takes {take} of {len(waiting)} requests")
        if not take and not inside:
            wake = min(policy.wake(oldest) if waiting else math.inf, arrivals[coming] if open_ else math.inf)
            if math.isinf(wake):
                raise RuntimeError(f"the policy leaves {len(waiting)} requests waiting for ever")
            clock.wait(origin + wake)
            done.late.append(clock.now() - origin - wake)
            woken = wake
            continue
        admitted = [waiting.popleft() for _ in range(take)]
        inside += take
        began = clock.now() - origin
        answers = engine.step(admitted)
        ended = clock.now() - origin
        for request in admitted:
            done.started[request] = began
        for request in answers:
            done.finished[request] = ended
        done.answers |= answers
        done.steps.append((ended - began, inside))
        policy.stepped(ended - began, inside)
        come(ended)  # before the answers free anyone, who sends after them
        inside -= len(answers)
        come(ended, freed=ended)
    done.ended = clock.now() - origin
    return done
