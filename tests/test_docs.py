"""Documents are part of the program: recipes are carried out, and commands and options are mentioned."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click

from dsbench.cli import main
from dsbench.metrics import METRICS
from dsbench.records import Status

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(python|diff|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def carry_out(text: str, folder: Path) -> int:
    """Does what the blocks of a document say, in a copy of the checkout, and counts the commands."""
    commands = 0
    environment = {**os.environ, "PYTHONPATH": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    for kind, body in BLOCK.findall(text):
        if kind == "python":
            first, _, rest = body.partition("\n")
            path = folder / first.removeprefix("# file: ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(rest)
        elif kind == "diff":
            apply = ["git", "apply", "--recount", "-"]
            done = subprocess.run(apply, input=body, text=True, cwd=folder, capture_output=True, check=False)
            assert done.returncode == 0, f"{done.stderr}\n{body}"
        else:
            for line in body.splitlines():
                command = line.removeprefix("$ ")
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
                commands += 1
    return commands


def test_every_recipe_of_contributing_works_as_written(tmp_path: Path) -> None:
    for name in ("dsbench", "reference_models", "suites"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for name, command in {"python": "", "dsbench": "-m dsbench "}.items():
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {command}"$@"\n')
        program.chmod(0o755)
    assert carry_out((ROOT / "CONTRIBUTING.md").read_text(), tmp_path) == 7
    # The copy was measured, not the checkout.
    assert "cpu_time" in "".join(path.read_text() for path in (tmp_path / ".dsbench/runs").glob("*.jsonl"))


def test_the_readme_names_every_command_and_the_options_of_run() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in main.commands if f"dsbench {name}" not in readme] == []


def test_every_option_of_run_is_explained_in_its_help() -> None:
    run = main.commands["run"]
    options = [option for option in run.params if isinstance(option, click.Option)]
    promised = (
        "--backend --device --filter --exclude --quick --full --rounds --max-noise --min-time --timeout "
        "--seed --suites --results --save --format --output --dry-run --resume -k -o"
    )
    offered = {word for option in options for word in (*option.opts, *option.secondary_opts)}
    assert set(promised.split()) <= offered


def test_the_methodology_names_every_status_and_every_metric_a_reader_meets() -> None:
    text = (ROOT / "METHODOLOGY.md").read_text()
    for word in (*Status, *METRICS):
        assert f"`{word}`" in text or f"**{word}**" in text or word.replace("_", " ") in text.lower(), word


def test_links_between_documents_lead_somewhere() -> None:
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (ROOT / target).exists(), f"{document.name}: {target}"
