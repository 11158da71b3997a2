"""The wheel carries everything that a run needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def dsbench(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "dsbench", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_an_installed_dsbench_measures_the_built_in_suites_in_an_empty_folder(
    installed: Path, tmp_path: Path
) -> None:
    where = subprocess.run(
        [
            sys.executable,
            "-c",
            "import dsbench, reference_models; print(dsbench.__file__, reference_models.__file__)",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert where.count(str(installed)) == 2
    done = dsbench(
        installed,
        tmp_path,
        "run",
        "attention",
        "--backend",
        "cpu",
        "--quick",
        "--rounds",
        "1",
        "-k",
        r"sdpa\[N=1024",
    )
    assert done.returncode == 0, done.stderr
    assert "attention.prefill" in done.stdout
    assert (tmp_path / ".dsbench/report.html").is_file()


def test_the_wheel_carries_its_licence(installed: Path) -> None:
    (licence,) = installed.glob("dsbench-*.dist-info/licenses/LICENSE")
    assert "Apache License" in licence.read_text()
