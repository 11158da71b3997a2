"""Exit codes, and errors that carry one."""

from __future__ import annotations

from collections.abc import Iterable

import click

OK, REGRESSION, USAGE, FAILED, NOTHING, INCONCLUSIVE, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 5, 130, 143

PRECEDENCE = (USAGE, NOTHING, FAILED, REGRESSION, INCONCLUSIVE)


def worst(codes: Iterable[int]) -> int:
    """The code to leave with when several hold: the first of 2, 4, 3, 1, 5."""
    found = set(codes)
    return next((code for code in PRECEDENCE if code in found), OK)


class Termination(KeyboardInterrupt):
    """SIGTERM, which ends a run the way Ctrl-C does."""


def of_interruption(interruption: KeyboardInterrupt) -> int:
    """The code to leave with when a signal has ended a command: 130, or 143 for SIGTERM."""
    return TERMINATED if isinstance(interruption, Termination) else INTERRUPTED


class RefusedError(click.ClickException):
    """Something the user asked for cannot be; one line that says what and what to do."""

    exit_code = USAGE


class NothingMeasuredError(click.ClickException):
    """There is nothing to measure or to judge; one line that says why."""

    exit_code = NOTHING
