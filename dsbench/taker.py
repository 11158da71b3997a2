"""The parent's side of a process that takes turns: what `dsbench.turns` is told, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsbench.child import Child, ChildError
from dsbench.records import Measurement, Status

TURN = 0.01
"""Seconds of a turn: the shorter, the less the machine drifts between two of them."""


class LostError(Exception):
    """A worker died, hung or talked nonsense while it had a case in hand."""

    def __init__(self, side: int, case: str, error: ChildError) -> None:
        super().__init__(error.reason)
        self.side, self.case, self.told = side, case, (error.status.value, error.reason)


class Taker:
    """A process of one side; `problems` says what is wrong with a case on this side."""

    def __init__(self, side: int, child: Child, timeout: float) -> None:
        self.side = side
        self.problems: dict[str, tuple[str, str]] = {}
        self._child = child
        self._messages = child.messages(timeout)
        self._case = ""

    def prepare(self, case: str) -> None:
        """Has a case made ready in place of the one before; `wait` until it is."""
        if self._case:  # whatever happens before the first case begins is no case's fault
            self._case = case
        self._child.tell({"case": case, "ready": True})

    def wait(self) -> None:
        """Waits until the case is ready that is being made so."""
        self._case = self._next()["case"]
        message = self._next()
        if message["problem"]:
            self.problems[self._case] = (message["status"], message["problem"])

    def turn(self, case: str, metric: str) -> tuple[float, float] | None:
        """Seconds of a call by a metric and in processor time, None when it could not be made."""
        told = self._ask({"case": case, "metric": metric, "seconds": TURN})
        if told["problem"]:
            self.problems[case] = (Status.ERROR.value, told["problem"])
            return None
        return told["seconds"], told["cpu"]

    def check(self, case: str) -> None:
        """Has the answer checked once more, after the turns."""
        if problem := self._ask({"case": case, "check": True})["problem"]:
            self.problems[case] = (Status.WRONG.value, f"after timing: {problem}")

    def probe(self, case: str) -> tuple[Measurement, ...]:
        """What the case's deterministic probes say."""
        told = self._ask({"case": case, "probe": True})["measurements"]
        return tuple(Measurement.from_json(row) for row in told)

    def _ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        self._case = command["case"]
        self._child.tell(command)
        return self._next()

    def _next(self) -> dict[str, Any]:
        try:
            return next(self._messages)
        except ChildError as error:
            raise LostError(self.side, self._case, error) from None
