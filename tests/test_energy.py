"""Joules of a call, and the counters they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_probes import prepared

from dsbench.backends import UnsupportedError, fake
from dsbench.backends.fake import FakeBackend, spend
from dsbench.backends.mps import MpsBackend
from dsbench.backends.rapl import Rapl
from dsbench.metrics import evaluate
from dsbench.probes import RUN, Budget, Prepared
from dsbench.probes.energy import PATIENCE, WINDOW, measure_energy
from dsbench.records import Status


class SteppingBackend(FakeBackend):
    """A device whose counter is refreshed ten times a second."""

    def energy(self) -> float:
        return fake.POWER * int(self.now() * 10) / 10


class StillBackend(FakeBackend):
    """A device whose counter stands still."""

    def energy(self) -> float:
        return 5.0


def on(backend: FakeBackend, seconds: float) -> Prepared:
    """A candidate that takes so long on a device with another counter."""
    made = prepared(lambda x: spend(seconds))
    made.workload.backend = backend
    return made


def test_energy_is_power_times_the_time_of_a_call() -> None:
    found = measure_energy(prepared(lambda x: spend(2e-3)), Budget(max_time=1.5))
    assert found.status is Status.OK
    assert evaluate(found)["energy"].value == pytest.approx(0.2)
    (sample,) = found.readings["energy"]
    assert sample.calls == found.notes["calls"]
    assert found.notes["mean_power_w"] == 100
    assert found.notes["window_s"] == pytest.approx(1.5, rel=0.1)


@pytest.mark.parametrize("seconds", [1e-5, 3e-3, 0.07, 2.0])
def test_a_counter_of_coarse_steps_gives_the_same(seconds: float) -> None:
    found = measure_energy(on(SteppingBackend(), seconds), Budget(max_time=1.5))
    # A window of at least 15 steps whose ends are a block, or one call, at most past a step.
    assert evaluate(found)["energy"].value == pytest.approx(100 * seconds, rel=0.05)
    assert found.notes["window_s"] >= 1.4


def test_the_window_is_long_enough_for_a_counter_however_small_the_budget() -> None:
    found = measure_energy(prepared(lambda x: spend(1e-3)), Budget(max_time=0.01))
    assert found.notes["window_s"] >= WINDOW


def test_once_takes_the_same_path_for_some_steps_of_the_counter() -> None:
    found = measure_energy(on(SteppingBackend(), 1e-3), Budget(once=True))
    assert found.readings["energy"]
    assert found.notes["window_s"] < WINDOW


def test_a_counter_that_stands_still_is_unsupported_and_ends() -> None:
    began = FakeBackend().now()
    with pytest.raises(UnsupportedError, match=r"the energy counter moved by 0 J in 0\.\d+ s"):
        measure_energy(on(StillBackend(), 1e-3), Budget(once=True))
    assert FakeBackend().now() - began < 3 * PATIENCE


def test_a_disturbed_reading_is_marked_with_the_cause() -> None:
    fake.disturb("a neighbour")
    found = measure_energy(prepared(lambda x: spend(1e-3)), Budget(once=True))
    fake.disturb()
    assert found.readings["energy"][0].mark == "a neighbour is on the device too"


def test_calls_that_start_slowly_are_not_taken_for_long_ones() -> None:
    slow = [5e-3, 5e-3]

    def starts(x: list[float]) -> None:
        spend(slow.pop() if slow else 1e-5)

    found = measure_energy(prepared(starts), Budget())
    assert evaluate(found)["energy"].value == pytest.approx(1e-3)
    assert found.notes["calls"] > 1e5


def test_is_a_probe_that_may_be_asked_for() -> None:
    assert RUN["energy"] is measure_energy


class TestRapl:
    """Counters of a machine with two packages, made of files."""

    @pytest.fixture
    def zones(self, tmp_path: Path) -> Path:
        for zone, name in (("0", "package-0"), ("1", "package-1"), ("0:0", "core"), ("2", "psys")):
            folder = tmp_path / f"intel-rapl:{zone}"
            folder.mkdir()
            (folder / "name").write_text(f"{name}\n")
            (folder / "energy_uj").write_text("900000\n")
            (folder / "max_energy_range_uj").write_text("1000000\n")
        return tmp_path

    def test_packages_are_added_up_without_their_parts(self, zones: Path) -> None:
        rapl = Rapl(zones)
        assert rapl.joules() == 0
        for zone in zones.iterdir():
            (zone / "energy_uj").write_text("950000\n")
        assert rapl.joules() == pytest.approx(0.1)

    def test_a_counter_that_wrapped_around_goes_on(self, zones: Path) -> None:
        rapl = Rapl(zones)
        rapl.joules()
        (zones / "intel-rapl:0" / "energy_uj").write_text("100000\n")
        assert rapl.joules() == pytest.approx(0.2)
        (zones / "intel-rapl:0" / "energy_uj").write_text("300000\n")
        assert rapl.joules() == pytest.approx(0.4)

    def test_a_counter_that_is_forbidden_says_how_to_allow_it(
        self, zones: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forbidden(path: Path) -> str:
            if path.name == "energy_uj":
                raise PermissionError(13, "Permission denied", str(path))
            return "package-0"

        monkeypatch.setattr(Path, "read_text", forbidden)  # root may read whatever its mode says
        with pytest.raises(UnsupportedError, match=r"Permission denied; allow it with: sudo chmod a\+r /"):
            Rapl(zones).joules()

    def test_a_machine_without_counters_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match="virtual machines and containers hide it"):
            Rapl(tmp_path).joules()

    def test_a_counter_that_holds_no_number_is_unsupported(self, zones: Path) -> None:
        (zones / "intel-rapl:0" / "energy_uj").write_text("\n")
        with pytest.raises(UnsupportedError, match="cannot be read"):
            Rapl(zones).joules()


def test_mps_says_why_it_has_no_counter() -> None:
    with pytest.raises(UnsupportedError, match="powermetrics"):
        MpsBackend.energy(object.__new__(MpsBackend))
