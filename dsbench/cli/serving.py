"""Showing a site on this machine, and keeping it up to date while it is shown."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click

LOOK = 2.0
"""Seconds between looks at the results."""


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each, and has browsers ask for them again, since they may change."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        del format, args

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def serve_site(site: Path, port: int, ready: Callable[[str], object], results: Path) -> None:
    """Serves a site on the loopback address until Ctrl-C, and builds it again when results change.

    Args:
        site: the folder.
        port: where to listen; 0 takes any that is free.
        ready: is told the address.
        results: the folder that is watched.

    Raises:
        OSError: the port is taken.
        KeyboardInterrupt: it was ended.
    """
    # By name, since each build puts another folder in its place.
    handler = functools.partial(_Quiet, directory=str(site.resolve()))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        ready(f"http://127.0.0.1:{server.server_address[1]}/")
        ended = threading.Event()
        watching = threading.Thread(target=_watch, args=(site, results, ended), daemon=True)
        watching.start()
        try:
            server.serve_forever(poll_interval=0.2)
        finally:
            ended.set()
            watching.join()


def _watch(site: Path, results: Path, ended: threading.Event) -> None:
    from dsbench.cli.dashboard import built

    before = _seen(results)
    while not ended.wait(LOOK):
        now = _seen(results)
        if now == before:
            continue
        before = now
        try:
            click.echo(f"built    {built(results, site).runs} runs")
        except click.ClickException as error:
            click.echo(f"warning: {error.message}", err=True)  # the old site stays


def _seen(results: Path) -> dict[Path, tuple[int, int]]:
    found: dict[Path, tuple[int, int]] = {}
    for path in results.glob("*/*.jsonl"):
        try:
            status = path.stat()
        except OSError:
            continue
        found[path] = (status.st_size, status.st_mtime_ns)
    return found
