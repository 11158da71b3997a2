"""The command line: one file a group of commands. Nothing here imports torch, and what a command needs
is imported when it runs, so that ``--help`` is quick."""

from __future__ import annotations

from typing import Any

import click

from dsbench import __version__
from dsbench.cli.ack import ack
from dsbench.cli.bisect import bisect
from dsbench.cli.compare import compare
from dsbench.cli.dashboard import dashboard
from dsbench.cli.doctor import doctor
from dsbench.cli.exits import USAGE, of_interruption
from dsbench.cli.gate import gate
from dsbench.cli.history import history
from dsbench.cli.listing import list_cases
from dsbench.cli.profile import profile
from dsbench.cli.report import report
from dsbench.cli.repro import repro
from dsbench.cli.run import run, verify


def crashed(error: Exception) -> int:
    """Says in a line that dsbench itself failed, and keeps the traceback for who mends it.

    Returns:
        The exit code for it: nothing that was asked for can be relied on.
    """
    import traceback

    from dsbench.runs import STATE

    log = STATE / "crash.log"
    told = (
        f"error: dsbench failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    )
    try:
        log.parent.mkdir(exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        click.echo(f"{told}; please report it", err=True)
    else:
        click.echo(f"{told}; please report it with {log}", err=True)
    return USAGE


class Commands(click.Group):
    """The commands, of which Ctrl-C makes any exit with 130 and SIGTERM a run with 143, and no failure
    shows a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            click.echo("interrupted", err=True)
            ctx.exit(of_interruption(interruption))
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            ctx.exit(crashed(error))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dsbench")
def main() -> None:
    """Measure what techniques that make neural networks cheaper really save, and what they cost.

    \b
    Start here:
      dsbench doctor            what this machine can measure
      dsbench run --quick       a first table, in about three minutes
      dsbench run               the full points, recorded in the history
      dsbench gate              did anything get worse than at the previous commit?

    \b
    Exit codes: 0 nothing to report, 1 regression, 2 usage, 3 a benchmark failed, 4 nothing was
    measured or a case is missing, 5 inconclusive (with --strict), 130 or 143 interrupted.
    """


for command in (
    *(run, list_cases, verify, compare, gate, ack, bisect),
    *(history, dashboard, report, repro, profile, doctor),
):
    main.add_command(command)
