"""Runs that are interrupted or killed keep what there is, and are gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import psutil
import pytest
from cli_rigs import FAULTS, Dsbench
from click.testing import CliRunner

from dsbench import runs
from dsbench.cli import Commands, exits


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """`dsbench` as a process of its own."""
    command = [sys.executable, "-m", "dsbench", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Reads stderr until a text appears."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"{text!r} was never printed")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_what_there_is_and_resumes(
    dsbench: Dsbench, folder: Path, number: signal.Signals, code: int
) -> None:
    process = start(
        "run",
        *FAULTS,
        "--backend",
        "fake",
        "--rounds",
        "2",
        "--timeout",
        "30",
        "-k",
        "steady|hangs",
    )
    wait_for(process, "calm.steady round 1/2: ok")
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "dsbench run --resume" in errors
    assert "steady" in output
    (path,) = runs.paths()
    before = runs.read(path)
    assert before.ended is None
    # Time is short here, so the case that hangs is left out of what is still planned.
    text = path.read_text().replace('"timeout":30.0', '"timeout":1.0')
    path.write_text(text)
    done = dsbench("run", "--resume")
    assert done.exit_code == exits.FAILED
    after = runs.read(path)
    assert after.ended is not None
    assert {m.case.candidate for m in after.measurements} == {"steady", "hangs"}


def test_killing_the_parent_leaves_no_worker_and_keeps_every_finished_case(folder: Path) -> None:
    process = start(
        "run",
        *FAULTS,
        "--backend",
        "fake",
        "--rounds",
        "2",
        "--timeout",
        "60",
        "-k",
        "steady|hangs",
    )
    wait_for(process, "calm.steady round 1/2: ok")
    process.kill()
    process.communicate(timeout=30)

    def left() -> list[int]:
        mine = [p for p in psutil.process_iter(["cmdline", "cwd"]) if p.info["cwd"] == str(folder)]
        return [p.pid for p in mine if p.pid != os.getpid()]

    deadline = time.monotonic() + 20
    while left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left() == []
    (path,) = runs.paths()
    assert [m.case.candidate for m in runs.read(path).measurements] == ["steady"] * 3


@pytest.mark.parametrize(("interruption", "code"), [(KeyboardInterrupt, 130), (exits.Termination, 143)])
def test_a_signal_while_the_report_is_written_has_its_own_exit_code(
    interruption: type[KeyboardInterrupt], code: int
) -> None:
    def report() -> None:
        raise interruption

    group = Commands("dsbench", commands={"report": click.Command("report", callback=report)})
    done = CliRunner().invoke(group, ["report"])
    assert (done.exit_code, done.stderr) == (code, "interrupted\n")
