"""`dsbench list`: what there is to measure."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.options import (
    BACKENDS,
    find_cases,
    find_suites,
    format_option,
    known_backend,
    report_broken,
    selection,
)

if TYPE_CHECKING:
    from dsbench.records import Case
    from dsbench.registry import Suite


@click.command("list")
@selection
@click.option(
    "--backend",
    callback=known_backend,
    default="cpu",
    show_default=True,
    metavar="|".join(BACKENDS[1:]),
    help="Whose points to list; some axes reach further on some devices.",
)
@click.option("--cases", "each", is_flag=True, help="List every case by its full name, as -k matches it.")
@format_option("table", "json")
def list_cases(each: bool, style: str, **options: Any) -> None:
    """List suites, benchmarks, candidates and cases. Measures nothing and needs no device."""
    suites = find_suites(options["folder"], options["chosen"])
    broken = report_broken(suites)
    selected = find_cases(
        suites, options["backend"], options["quick"], options["filters"], options["excludes"]
    )
    if style == "json":
        click.echo(json.dumps([{"name": case.name, **case.to_json()} for case in selected], indent=1))
    elif each:
        click.echo("\n".join(case.name for case in selected))
    else:
        click.echo("\n".join(_described(suites, selected)))
    sys.exit(exits.FAILED if broken else exits.OK)


def _described(suites: dict[str, Suite], selected: list[Case]) -> list[str]:
    """A paragraph a benchmark."""
    lines: list[str] = []
    for suite in suites.values():
        for declared in suite.benchmarks.values():
            mine = [c for c in selected if (c.suite, c.benchmark) == (suite.name, declared.name)]
            if not mine:
                continue
            axes: dict[str, list[str]] = {}
            for case in mine:
                for axis, value in case.point:
                    axes.setdefault(axis, [])
                    axes[axis] += [str(value)] if str(value) not in axes[axis] else []
            candidates = dict.fromkeys(case.candidate for case in mine)
            marked = (f"{name} (baseline)" if name == declared.baseline else name for name in candidates)
            lines += [
                f"{suite.name}.{declared.name}: {declared.description.partition(chr(10))[0]}",
                f"  candidates  {', '.join(marked)}",
                *(f"  {axis:<10}  {', '.join(values)}" for axis, values in axes.items()),
                f"  probes      {', '.join(declared.probes)}",
                f"  cases       {len(mine)}",
                "",
            ]
    return lines[:-1]
