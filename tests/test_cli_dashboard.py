"""`dsbench dashboard`: its exit codes, and serving."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from click.testing import Result
from site_rigs import a_night, put


def test_a_site_is_built_and_its_page_named(dsbench: Callable[..., Result], folder: Path) -> None:
    put(a_night(0), folder / "results")
    done = dsbench("dashboard", "build")
    assert done.exit_code == 0
    assert done.stdout == f"site     {folder.resolve() / '.dsbench/site/index.html'}\n"
    assert (folder / ".dsbench/site/index.html").is_file()


def test_building_imports_neither_torch_nor_plotly_nor_asv(folder: Path) -> None:
    put(a_night(0), folder / "results")
    program = (
        "import sys\nfrom dsbench.cli import main\n"
        "try:\n    main(['dashboard', 'build'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'plotly', 'pandas', 'asv'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_history_there_is_nothing_to_build(dsbench: Callable[..., Result], folder: Path) -> None:
    done = dsbench("dashboard", "build")
    assert done.exit_code == 4
    assert "nothing is recorded under results: a full `dsbench run`" in done.stderr
    assert not (folder / ".dsbench/site").exists()


def test_a_folder_that_holds_something_else_is_a_mistake(
    dsbench: Callable[..., Result], folder: Path
) -> None:
    put(a_night(0), folder / "results")
    (folder / "public").mkdir()
    (folder / "public/index.html").write_text("mine")
    done = dsbench("dashboard", "build", "-o", "public")
    assert done.exit_code == 2
    assert "choose a folder of its own" in done.stderr


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return bytes(answer.read())


def test_serving_shows_what_is_recorded_meanwhile_and_ends_with_ctrl_c(folder: Path) -> None:
    put(a_night(0), folder / "results")
    command = [sys.executable, "-m", "dsbench", "dashboard", "serve", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as served:
        assert served.stdout is not None
        address = served.stdout.readline().split()[1]
        assert address.startswith("http://127.0.0.1:")
        assert b"What changed" in get(address)
        before = get(f"{address}data/runs.js")
        put(a_night(1), folder / "results")
        assert served.stdout.readline() == "built    2 runs\n"
        assert get(f"{address}data/runs.js") != before
        served.send_signal(signal.SIGINT)
        began = time.monotonic()
        output, errors = served.communicate(timeout=30)
        assert time.monotonic() - began < 20
    assert served.returncode == 130
    assert output == ""
    assert errors == "interrupted\n"
