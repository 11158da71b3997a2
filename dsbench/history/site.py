"""asv's own web site, made by asv itself."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from dsbench.history.sidecar import HistoryError


def publish(results: Path, html: Path, repo: Path) -> None:
    """Builds asv's site of everything recorded on the first parents of the commit checked out.

    asv deletes the old site first; here a new one is built beside it and takes its place when it is
    complete, so that a failure leaves the old one.

    Args:
        results: the folder that was recorded into.
        html: the folder of the site, replaced as a whole.
        repo: the git repository whose commits were measured, or a folder of it; a shallow clone lacks
            most of them.

    Raises:
        HistoryError: `html` holds something else than a site of asv's, none of the commits was recorded,
            or asv fails; with asv's message.
        OSError: the site cannot be written.
    """
    html = html.resolve()
    if html.exists() and any(html.iterdir()) and not (html / "asv.js").is_file():
        raise HistoryError(f"{html} holds other files than asv's site: choose a folder of its own")
    html.parent.mkdir(parents=True, exist_ok=True)
    top = Path(_git(repo, "rev-parse", "--show-toplevel") or repo.resolve())
    branch = _git(repo, "symbolic-ref", "--quiet", "--short", "HEAD") or "HEAD"
    with tempfile.TemporaryDirectory(prefix=f".{html.name}-", dir=html.parent) as folder:
        site = Path(folder, "site")
        config = {
            "version": 1,
            "project": top.name,
            "repo": str(top),
            "branches": [branch],
            "results_dir": str(results.resolve()),
            "html_dir": str(site),
        }
        Path(folder, "asv.conf.json").write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, "-m", "asv", "publish", "--no-pull", "--config", "asv.conf.json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HistoryError(f"asv publish failed: {_error(done.stdout, done.stderr)}")
        if not json.loads(Path(site, "index.json").read_bytes())["graph_param_list"]:
            raise HistoryError(f"no recorded commit is on {branch} in {repo}: is it a shallow clone?")
        if html.exists():
            html.replace(Path(folder, "old"))
        site.replace(html)


def _git(repo: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repo), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _error(stdout: str, stderr: str) -> str:
    """asv's message: the last of its bulleted lines, or the end of a traceback."""
    if "Traceback" in stderr:
        return stderr.strip().splitlines()[-1]
    said = [line.rpartition("· ")[2].strip() for line in stdout.splitlines() if "· " in line]
    return said[-1] if said else "it said nothing"
