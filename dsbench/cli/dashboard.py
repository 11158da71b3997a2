"""`dsbench dashboard`: everything recorded as pages for a browser."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.options import results_option

if TYPE_CHECKING:
    from dsbench.reports.site import Built

site_option = click.option(
    "-o",
    "--output",
    "site",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".dsbench/site"),
    show_default=True,
    help="Folder of the site, of its own.",
)


@click.group(
    epilog="""\b
Examples:
  dsbench dashboard build             pages in .dsbench/site, which open without a server
  dsbench dashboard build -o public   for a CI artifact or for GitHub Pages
  dsbench dashboard serve             builds, shows, and builds again when something is recorded"""
)
def dashboard() -> None:
    """Build or serve pages on everything recorded: what changed, histories, comparisons."""


@dashboard.command("build")
@site_option
@results_option
def build_site(site: Path, results: Path) -> None:
    """Build the site, or bring it up to date.

    The old one stays until the new one is complete. The pages need no server and no network.
    """
    done = built(results, site)
    click.echo(f"site     {done.path / 'index.html'}")
    gc.freeze()  # of what was read nothing is garbage, which Python would look for on leaving


@dashboard.command()
@site_option
@results_option
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any.")
def serve(site: Path, results: Path, port: int) -> None:
    """Build the site and show it on this machine alone; Ctrl-C ends it.

    While it runs, what is recorded is built into it within seconds.
    """
    from dsbench.cli.serving import serve_site

    built(results, site)
    try:
        serve_site(site, port, lambda address: click.echo(f"serving  {address} (Ctrl-C ends)"), results)
    except OSError as error:
        raise RefusedError(f"port {port}: {error.strerror}; choose another with --port") from None


def built(results: Path, site: Path) -> Built:
    """Builds the site, and says what could not be read.

    Raises:
        NothingMeasuredError: nothing is recorded.
        RefusedError: the folder cannot be used.
    """
    from dsbench.reports.site import EmptyError, SiteError, build

    try:
        done = build(results, site)
    except EmptyError as error:
        raise NothingMeasuredError(str(error)) from None
    except SiteError as error:
        raise RefusedError(str(error)) from None
    except OSError as error:
        raise RefusedError(f"cannot write {site}: {error.strerror}") from None
    for problem in done.problems:
        click.echo(f"warning: {problem}", err=True)
    return done
