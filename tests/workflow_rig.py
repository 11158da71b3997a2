"""Runs the jobs of a workflow here: its shell steps for real, its actions by what they do with files."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
GH = """#!/usr/bin/env bash
# Stands in for GitHub's command: one issue at most, whose texts are kept in files.
cd "$(dirname "$0")/issues"
echo "$*" >>calls
case "$1 $2" in
  "issue list") [ ! -e 1.md ] || echo 7 ;;
  "issue create" | "issue comment") cp "${@: -1}" "$(($(ls ./*.md 2>/dev/null | wc -l) + 1)).md" ;;
esac
"""


class Hosting:
    """A repository and what GitHub keeps beside it: artifacts, which live for one night, and issues.

    Args:
        folder: an empty folder, in which everything happens.
        contexts: the value of each expression in the workflows, by its text.
    """

    def __init__(self, folder: Path, contexts: Mapping[str, str]) -> None:
        self.folder, self.contexts = folder, dict(contexts)
        self.origin, self.artifacts = folder / "origin.git", folder / "artifacts"
        self.issues = folder / "bin" / "issues"
        self.issues.mkdir(parents=True)
        (folder / "bin" / "gh").write_text(GH)
        (folder / "bin" / "gh").chmod(0o755)
        self.log = ""

    def job(self, workflow: str, name: str) -> bool:
        """Runs a job in a fresh workspace; whether it succeeded. What it printed is in `log`."""
        declared = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text())
        job = declared["jobs"][name]
        workspace, temporary = self.folder / "workspace", self.folder / "temporary"
        for place in (workspace, temporary):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        self.contexts.pop("runner.temp", None)  # no runner is known yet where a job's environment is made
        shared = {**self._filled(declared.get("env", {})), **self._filled(job.get("env", {}))}
        self.contexts["runner.temp"] = str(temporary)
        self.log = ""
        succeeded = True
        for step in job["steps"]:
            if succeeded or step.get("if") == "always()":
                env = {**shared, **self._filled(step.get("env", {}))}
                done = self._run(step, workspace, env) if "run" in step else self._use(step, workspace)
                succeeded = succeeded and (done or step.get("continue-on-error", False))
        return succeeded

    def git(self, *arguments: str | Path) -> str:
        """What git prints in the hosted repository."""
        done = subprocess.run(
            ["git", "-C", self.origin, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout

    def _fill(self, text: Any) -> str:
        return EXPRESSION.sub(lambda found: self.contexts[found[1]], str(text))

    def _filled(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._fill(value) for name, value in values.items()}

    def _run(self, step: Mapping[str, Any], workspace: Path, env: Mapping[str, str]) -> bool:
        done = subprocess.run(
            ["bash", "-e", "-c", self._fill(step["run"])],
            cwd=workspace,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "RUNNER_TEMP": self.contexts["runner.temp"],
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
                "GITHUB_SERVER_URL": "https://github.example",
                "GITHUB_REPOSITORY": "owner/name",
                "GITHUB_RUN_ID": "42",
                "GITHUB_SHA": self.git("rev-parse", "main").strip(),
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.log += done.stdout
        return done.returncode == 0

    def _use(self, step: Mapping[str, Any], workspace: Path) -> bool:
        given = self._filled(step.get("with", {}))
        match step["uses"].partition("@")[0]:
            case "actions/checkout":
                return self._check_out(given.get("ref", "main"), workspace / given.get("path", ""))
            case "actions/upload-artifact":
                shutil.copytree(given["path"], self.artifacts / given["name"], dirs_exist_ok=True)
            case "actions/download-artifact":
                found = [
                    one for one in self.artifacts.iterdir() if fnmatch.fnmatch(one.name, given["pattern"])
                ]
                # As the action does, a single one is not put into a folder of its name.
                apart = len(found) > 1 and given.get("merge-multiple") != "True"
                for one in found:
                    place = Path(given["path"]) / (one.name if apart else "")
                    shutil.copytree(one, place, dirs_exist_ok=True)
            case "actions/setup-python" | "actions/upload-pages-artifact":
                pass
            case other:
                raise NotImplementedError(other)
        return True

    def _check_out(self, branch: str, place: Path) -> bool:
        command = ["git", "clone", "--quiet", "--branch", branch, f"file://{self.origin}", place]
        found = subprocess.run(command, check=False, capture_output=True).returncode == 0
        if found and branch == "main":
            # Stands in for the installation, which `make` then finds to be there.
            (place / ".venv").mkdir()
            (place / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
            (place / ".venv" / "ready").touch()
        return found
