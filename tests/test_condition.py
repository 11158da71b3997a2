"""What counts as a disturbance, and what the host says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dsbench.backends.condition import Condition, disturbance
from dsbench.backends.host_condition import host_condition, waited

QUIET = Condition(time=0.0, waited=1.0, switches=10, stolen=2.0)


@pytest.mark.parametrize(
    ("after", "cores", "cause"),
    [
        (Condition(1.0, waited=1.0, switches=10, stolen=2.0), 1, ""),
        (Condition(1.0, waited=1.01, switches=500, stolen=2.0), 1, ""),
        (Condition(1.0, waited=1.12, stolen=2.0), 1, "waited 12% of the time for a core"),
        (Condition(1.0, waited=1.12, stolen=2.0), 8, ""),
        (Condition(1.0, waited=1.0, stolen=2.5), 2, "the hypervisor took 25% of the time"),
        (Condition(0.03, waited=1.0, stolen=2.01), 1, ""),
        (Condition(1.0, waited=1.0, clock=1200, clock_limit=1980), 1, ""),
        (
            Condition(1.0, waited=1.0, clock=1200, clock_limit=1980, throttle=("sw_power_cap",)),
            1,
            "throttled: sw_power_cap, clock 1200 of 1980 MHz",
        ),
        (Condition(1.0, waited=1.0, foreign=("process 7",)), 1, "process 7 is on the device too"),
        (
            Condition(1.0, waited=1.5, throttle=("hw_slowdown",)),
            1,
            "waited 50% of the time for a core; throttled: hw_slowdown",
        ),
        (Condition(0.0, waited=9.0), 1, ""),
    ],
)
def test_a_disturbance_is_named_with_its_size(after: Condition, cores: int, cause: str) -> None:
    assert disturbance(QUIET, after, cores) == cause


def test_context_switches_tell_where_waiting_is_not_known() -> None:
    before, after = Condition(0.0, switches=0), Condition(1.0, switches=900)
    assert disturbance(before, after, 2) == "lost a core 900 times a second"
    assert disturbance(before, Condition(1.0, switches=90), 2) == ""


def test_a_throttle_that_ended_before_the_second_look_counts() -> None:
    before = Condition(0.0, throttle=("hw_thermal_slowdown",))
    assert disturbance(before, Condition(1.0), 1) == "throttled: hw_thermal_slowdown"


def test_time_waited_is_added_up_over_threads(tmp_path: Path) -> None:
    for thread, nanoseconds in (("1", 1_500_000_000), ("2", 500_000_000)):
        (tmp_path / "task" / thread).mkdir(parents=True)
        (tmp_path / "task" / thread / "schedstat").write_text(f"99 {nanoseconds} 7\n")
    (tmp_path / "task" / "3").mkdir()
    assert waited(tmp_path) == 2.0
    assert waited(tmp_path / "nowhere") is None


def test_two_processes_on_one_core_wait_for_each_other() -> None:
    if sys.platform != "linux":
        assert host_condition().waited is None
        return
    program = """
import os, time
from dsbench.backends.condition import disturbance
from dsbench.backends.host_condition import host_condition
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
other = os.fork()
before, end = host_condition(), time.monotonic() + 0.5
while time.monotonic() < end:
    pass
if other:
    os.wait()
    print(disturbance(before, host_condition(), 1))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "of the time for a core" in done.stdout
