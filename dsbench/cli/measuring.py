"""Options of the commands that measure two sides now, and their defaults."""

from __future__ import annotations

from collections.abc import Callable, Collection

import click

from dsbench.cli.exits import RefusedError
from dsbench.cli.options import Command, backend_option, core_list


def measuring_options(limit: float, time_is_up: str, when: str = "") -> Callable[[Command], Command]:
    """--time, with its default and what happens then, --seed, --timeout, --affinity, --backend and
    --device; their help says first `when` they matter."""
    options = (
        backend_option,
        click.option(
            "--affinity",
            callback=core_list,
            default="",
            metavar="CORES",
            help=f"{when}Keep both sides on cores.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=120.0,
            show_default=True,
            help=f"{when}Seconds without a sign of life after which a process is ended.",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help=f"{when}Draws inputs and turns."),
        click.option(
            "--time",
            "limit",
            type=click.FloatRange(min=0),
            default=limit,
            show_default=True,
            help=f"{when}Seconds after which {time_is_up}.",
        ),
    )

    def decorated(command: Command) -> Command:
        for decorate in options:
            command = decorate(command)
        return command

    return decorated


FEWEST_PAIRS = "undecided cases get no more than 12 pairs of processes"
"""What --time means to commands that compare two sides."""

WITH_MEASURE = "With --measure: "


def refuse_without_measure(context: click.Context, stored: Collection[str], why: str) -> None:
    """Refuses options that would be ignored without --measure: all but the `stored` ones.

    Raises:
        RefusedError: one of them was given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is click.core.ParameterSource.COMMANDLINE and parameter.name not in stored:
            named = parameter.opts[0] if isinstance(parameter, click.Option) else "SUITE"
            raise RefusedError(f"{named} needs --measure: {why}")
