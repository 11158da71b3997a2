"""What a device can do at best: measured, kept, and held against the work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from conftest import SUITES
from make_runs import an_environment

from dsbench.backends.fake import FakeBackend
from dsbench.ceilings import Ceilings, path_of, read, write
from dsbench.cli import exits
from dsbench.looking import find_ceilings
from dsbench.metrics import METRICS
from dsbench.probes.ceilings import measure_ceilings
from dsbench.records import Case, Measurement, Sample, Status, Work

Dsbench = Callable[..., Result]
HERE = an_environment()
KNOWN = Ceilings(HERE.device.name, {"float32": 1e12}, 1e11, 5.0, {"torch": "2.13.0"})


@pytest.mark.parametrize(
    ("work", "floor", "bound"),
    [
        (Work(2e12, 1e10, "float32"), 2.0, "compute"),
        (Work(1e10, 2e11, "float32"), 2.0, "memory"),
        (Work(2e12, 1e10, "bfloat16"), None, ""),
        (Work(2e12, 1e10), None, ""),
        (Work(None, 1e10, "float32"), None, ""),
        (Work(2e12, None, "float32"), None, ""),
    ],
)
def test_the_slower_ceiling_binds_and_an_unknown_one_gives_no_number(
    work: Work, floor: float | None, bound: str
) -> None:
    found = KNOWN.bind(work)
    assert (found.floor, found.bound) == (floor, bound)
    assert replace(found, floor=None, bound="") == work


def test_ceilings_without_a_bandwidth_bind_nothing() -> None:
    assert replace(KNOWN, bandwidth=None).bind(Work(2e12, 1e10, "float32")).floor is None


def test_the_roofline_is_the_floor_over_the_latency() -> None:
    samples = tuple(Sample(4.0, number) for number in range(3))
    case = Case("s", "b", "c")
    measurement = Measurement(
        case, "latency", Status.OK, readings={"latency": samples}, work=Work(1.0, 1.0, "float32", 3.0)
    )
    found = METRICS["roofline"].of(measurement)
    assert found is not None
    assert found.value == pytest.approx(0.75)
    assert METRICS["roofline"].of(replace(measurement, work=Work(1.0, 1.0))) is None


def test_work_comes_back_from_json_and_old_lines_stay_as_they_were() -> None:
    full = Work(2e12, 1e10, "float32", 2.0, "compute")
    assert Work(**json.loads(json.dumps(full.to_json()))) == full
    assert Work(1.0, None).to_json() == {"flops": 1.0, "bytes": None}


def test_ceilings_are_kept_by_machine_and_backend_and_are_those_of_one_device(tmp_path: Path) -> None:
    assert read(tmp_path, HERE) is None
    path = write(KNOWN, tmp_path, HERE)
    assert path == path_of(tmp_path, HERE)
    assert path.suffix == ".jsonl", "asv would take a .json for results"
    assert read(tmp_path, HERE) == KNOWN
    other = replace(HERE, device=replace(HERE.device, name="Another device"))
    assert read(tmp_path, other) is None
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"device": "x", "flops": []}',
        '{"device": "x", "flops": {"float32": -1}}',
        '{"device": "x", "bandwidth": NaN}',
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = write(KNOWN, tmp_path, HERE)
    path.write_text(text)
    with pytest.raises(ValueError, match=r"ceilings-.*jsonl cannot be read .*dsbench doctor --ceilings"):
        read(tmp_path, HERE)


def test_a_copy_that_fails_costs_only_the_bandwidth() -> None:
    class Small(FakeBackend):
        def copying(self) -> tuple[Callable[[], Any], int]:
            raise MemoryError("no room for two buffers")

    sent: list[Mapping[str, Any]] = []
    measure_ceilings(Small(), sent.append)
    found = {message["name"]: message.get("rate", message.get("reason")) for message in sent}
    assert found["copy"] == "no room for two buffers"
    assert found["float32"] == pytest.approx(1e12)


def test_the_ceilings_of_the_simulated_device_are_what_it_is_made_of() -> None:
    found = find_ceilings("fake", 0)
    assert found["float32"] == pytest.approx(1e12)
    assert found["bfloat16"] == pytest.approx(4e12)
    assert found["copy"] == pytest.approx(1e11)
    assert found["int8"] == "the fake device has no int8"


def test_a_run_after_the_doctor_shows_the_share_of_the_ceiling(dsbench: Dsbench) -> None:
    done = dsbench("doctor", "--ceilings", "--backend", "fake")
    assert done.exit_code == exits.OK
    assert "1.00 TFLOP/s" in done.stdout
    assert "not measured: the fake device has no int8" in done.stdout
    options = ("--suites", SUITES / "steady", "--backend", "fake", "--quick", "-k", "double.plain.N=10]")
    table = dsbench("run", *options).stdout
    assert "roofline" in table
    corrupt = next(Path("results").rglob("ceilings-*.jsonl"))
    corrupt.write_text("[]")
    done = dsbench("run", *options)
    assert done.exit_code == exits.OK
    assert "roofline" not in done.stdout
    assert "cannot be read" in done.stderr
