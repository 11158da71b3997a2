"""Options that several commands share, and what they resolve to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dsbench.cli.exits import NothingMeasuredError, RefusedError

if TYPE_CHECKING:
    from dsbench.records import Case
    from dsbench.registry import Suite

Command = TypeVar("Command", bound=Callable[..., Any])

BACKENDS = ("auto", "cpu", "cuda", "rocm", "mps")


def known_backend(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Answers a wrong backend with the nearest; `fake` is there for tests and is left out of the help."""
    del context
    if value not in (*BACKENDS, "fake"):
        from dsbench.registry import nearest

        raise click.BadParameter(f"unknown backend '{value}'; {nearest(value, BACKENDS)}", param=parameter)
    return value


suites_option = click.option(
    "--suites",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of suites to use instead of the built-in ones.",
)

quick_option = click.option(
    "--quick/--full",
    default=False,
    help="Few points and short sampling, or every point.  [default: full]",
)


def selection(command: Command) -> Command:
    """Which cases: SUITE arguments, -k, --exclude, --quick or --full, --suites."""
    for decorate in (
        suites_option,
        quick_option,
        click.option(
            "--exclude",
            "excludes",
            multiple=True,
            metavar="REGEX",
            help="Leave out cases whose full name matches; may be repeated.",
        ),
        click.option(
            "-k",
            "--filter",
            "filters",
            multiple=True,
            metavar="REGEX",
            help="Only cases whose full name matches (a part of the name will do); may be repeated.",
        ),
        click.argument("chosen", nargs=-1, metavar="[SUITE]..."),
    ):
        command = decorate(command)
    return command


def backend_option(command: Command) -> Command:
    """--backend and --device."""
    for decorate in (
        click.option("--device", default="0", metavar="N", help="Which device of the backend.  [default: 0]"),
        click.option(
            "--backend",
            callback=known_backend,
            metavar="|".join(BACKENDS),
            default="auto",
            help="Where to measure; auto takes the first of cuda, rocm, mps and cpu that is here.  "
            "[default: auto]",
        ),
    ):
        command = decorate(command)
    return command


def known_probes(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Answers a wrong probe with the nearest."""
    del context
    from dsbench.metrics import PROBES
    from dsbench.registry import nearest

    for value in values:
        if value not in PROBES:
            raise click.BadParameter(f"unknown probe '{value}'; {nearest(value, PROBES)}", param=parameter)
    return values


def core_list(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """The cores in a list such as ``0,2-3``."""
    del context
    cores: list[int] = []
    for part in filter(None, value.split(",")):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
            raise click.BadParameter(
                f"'{part}' is no core and no range of cores such as 0-3", param=parameter
            )
        cores += range(int(first), int(last or first) + 1)
    if cores and not hasattr(os, "sched_setaffinity"):
        raise click.BadParameter(f"{sys.platform} cannot keep a process on cores", param=parameter)
    if cores and not set(cores) <= os.sched_getaffinity(0):
        usable = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise click.BadParameter(f"this process may run on the cores {usable}", param=parameter)
    return tuple(dict.fromkeys(cores))


results_option = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the history.",
)

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to a file instead of stdout.",
)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """--format with the formats a command knows, the first being the default."""
    return click.option(
        "--format",
        "style",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Form of the report, which is alone on stdout.",
    )


def write(text: str, output: Path | None) -> None:
    """Puts a report where it was asked for."""
    text = text.rstrip("\n") + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"cannot write {output}: {error.strerror}") from None


def device_index(device: str) -> int:
    """The index in ``1`` or ``cuda:1``."""
    number = device.rpartition(":")[2]
    if not number.isdecimal():
        raise RefusedError(f"--device {device}: give a number, such as 0")
    return int(number)


def find_suites(folder: Path | None, chosen: Sequence[str]) -> dict[str, Suite]:
    """The chosen suites (all when none is named), the ones that cannot be imported among them."""
    from dsbench.registry import builtin_suites, discover, nearest

    try:
        suites = discover(builtin_suites() if folder is None else folder)
    except FileNotFoundError as error:
        raise RefusedError(str(error)) from None
    for name in chosen:
        if name not in suites:
            raise RefusedError(f"unknown suite '{name}'; {nearest(name, suites)}")
    return {name: suite for name, suite in suites.items() if not chosen or name in chosen}


def report_broken(suites: Mapping[str, Suite]) -> dict[str, str]:
    """Says on stderr which suites could not be imported, and returns their messages."""
    broken = {name: suite.error for name, suite in suites.items() if suite.error}
    for name, message in broken.items():
        click.echo(f"error: suite {name} ({suites[name].path}): {message}", err=True)
    return broken


def find_cases(
    suites: Mapping[str, Suite], backend: str, quick: bool, filters: Sequence[str], excludes: Sequence[str]
) -> list[Case]:
    """The cases that the filters leave.

    Raises:
        RefusedError: a filter is not a regular expression.
        NothingMeasuredError: they leave none though there are some.
    """
    import re

    from dsbench.registry import cases, nearest, select

    everything = cases(suites.values(), backend, quick)
    try:
        selected = select(everything, filters, excludes)
    except re.error as error:
        raise RefusedError(f"'{error.pattern!s}' is not a regular expression: {error}") from None
    if everything and not selected:
        words = {word for case in everything for word in (case.suite, case.benchmark, case.candidate)}
        hint = nearest(filters[0], words) if filters else "every case was excluded"
        raise NothingMeasuredError(f"no case matches ({len(everything)} were there to choose from); {hint}")
    return selected
