"""The recorder of A/B experiments: what it writes, `replay.py` can read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parent.parent / "scripts" / "experiments"


def test_a_recorded_stream_is_read_back_with_every_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "stream.jsonl.gz"
    command = [sys.executable, EXPERIMENTS / "record.py", out, "--kernels", "loop", "--pairs", "1"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    from traces import read

    streams = read([tmp_path])
    assert [(s.cell.kernel, s.cell.busy, s.cell.real) for s in streams] == [
        ("loop", False, share) for share in (0.0, 0.02, 0.05)
    ]
    for stream in streams:
        ((before, after),) = stream.pairs
        assert len(before) == len(after) >= 5
        assert min(*before, *after) > 0
        assert len(stream.processor) == 1
