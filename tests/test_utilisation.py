"""How busy a device is, seen from outside, and what is said about it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from click.testing import Result
from fake_torch import FakeTorch, bound
from rigs import H1, Amdsmi, nvml, spin
from test_probes import prepared

from dsbench import runs
from dsbench.backends import fake
from dsbench.backends.activity import of_device, of_metal, of_process
from dsbench.backends.amd_smi import AmdSmi
from dsbench.backends.cuda import CudaBackend
from dsbench.backends.fake import FakeBackend, spend
from dsbench.backends.gpm import METRICS as UNITS
from dsbench.backends.gpm import Gpm
from dsbench.backends.nvml import Nvml
from dsbench.backends.rocm import RocmBackend
from dsbench.metrics import evaluate
from dsbench.probes import Budget
from dsbench.probes.bottleneck import MEMORY, why
from dsbench.probes.utilisation import BEGAN, ENDED, measure_utilisation
from dsbench.records import Status
from dsbench.watch import Look, Watch, mean_of


def with_gpm(library: SimpleNamespace, shares: dict[str, float], supported: bool = True) -> SimpleNamespace:
    """NVML with the counters of a Hopper: per cent by reading; those left out the device does not have."""

    def fill(asked: Any) -> Any:
        assert asked.version == pynvml.NVML_GPM_METRICS_GET_VERSION
        by_id = {getattr(pynvml, constant): name for name, constant in UNITS.items()}
        for index in range(asked.numMetrics):
            name = by_id[asked.metrics[index].metricId]
            asked.metrics[index].value = shares.get(name, 0.0)
            asked.metrics[index].nvmlReturn = (
                pynvml.NVML_SUCCESS if name in shares else pynvml.NVML_ERROR_NOT_SUPPORTED
            )
        return asked

    functions = bound(
        pynvml,
        nvmlGpmQueryDeviceSupport=lambda device: SimpleNamespace(isSupportedDevice=int(supported)),
        nvmlGpmSampleAlloc=lambda: pynvml.c_nvmlGpmSample_t(pynvml.struct_c_nvmlGpmSample_t()),
        nvmlGpmSampleGet=lambda device, sample: sample,
        nvmlGpmSampleFree=None,
        nvmlGpmMetricsGet=fill,
    )
    names = (*UNITS.values(), "NVML_GPM_METRICS_GET_VERSION", "NVML_SUCCESS", "NVML_ERROR_NOT_SUPPORTED")
    constants = {name: getattr(pynvml, name) for name in (*names, "NVMLError", "c_nvmlGpmMetricsGet_t")}
    return SimpleNamespace(**vars(library), **vars(functions), **constants)


class TestActivity:
    """What the vendors' libraries and the system say of a device that another process keeps busy."""

    def test_nvml_says_that_kernels_ran_and_gpm_how_busy_the_units_were(self) -> None:
        library = with_gpm(nvml(), {"sm_active": 50.0, "tensor_active": 25.0})
        look, unseen = of_device(Nvml, "pynvml", "", {"uuid": "0000-0"}, library)
        assert look is not None, unseen
        assert look() == {
            "device_busy": 0.9,
            "sm_active": 0.5,
            "tensor_active": 0.25,
            "power": 350.5,
            "clock": 1965,
            "temperature": 41,
        }
        library.nvmlDeviceGetHandleByUUID.assert_called_once_with("GPU-0000-0")

    def test_gpm_compares_each_sample_with_the_one_before(self) -> None:
        library = with_gpm(nvml(), {})
        counters = Gpm(library, "handle")
        counters.since_last()
        counters.since_last()
        first, second = (call.args[0] for call in library.nvmlGpmMetricsGet.call_args_list)
        assert bytes(first.sample1) == bytes(second.sample2)
        assert bytes(first.sample2) == bytes(second.sample1)
        assert bytes(first.sample1) != bytes(first.sample2)
        counters.close()
        assert library.nvmlGpmSampleFree.call_count == 2

    @pytest.mark.parametrize("library", [nvml(), with_gpm(nvml(), {}, supported=False)])
    def test_devices_before_hopper_have_no_units_and_that_is_no_error(self, library: Any) -> None:
        look, _ = of_device(Nvml, "pynvml", "", {"uuid": "0000-0"}, library)
        assert look is not None
        assert set(look()) == {"device_busy", "power", "clock", "temperature"}

    def test_amdsmi_says_it_of_the_device_with_the_same_place_on_the_bus(self) -> None:
        torch = FakeTorch(hip="7.0.5", names=("AMD Instinct MI300X",), architecture="gfx942")
        identity = RocmBackend(torch=torch, vendor=Amdsmi()).identity()
        look, _ = of_device(AmdSmi, "amdsmi", "", identity, Amdsmi())
        assert look is not None
        seen = look()
        assert (seen["device_busy"], seen["dram_active"], seen["power"]) == (0.8, 0.4, 640)

    def test_what_identifies_a_device_goes_through_json(self) -> None:
        assert CudaBackend(1, torch=FakeTorch(cuda="13.0", names=H1)).identity() == {"uuid": "0000-1"}

    def test_without_the_library_there_is_a_reason(self) -> None:
        assert of_device(Nvml, "no_such_library_is_installed", "install it", {}) == (None, "install it")

    def test_a_host_is_as_busy_as_its_process(self) -> None:
        look = of_process(os.getpid(), cores=1)
        before = time.process_time(), time.monotonic()
        spin(0.2)
        share = (time.process_time() - before[0]) / (time.monotonic() - before[1])
        assert look()["device_busy"] == pytest.approx(share, abs=0.15)  # the kernel counts ticks of 10 ms

    def test_a_process_that_has_ended_is_not_seen(self) -> None:
        with subprocess.Popen(["sleep", "60"]) as process:
            look = of_process(process.pid, cores=1)
            assert look()["device_busy"] == pytest.approx(0, abs=0.1)
            process.kill()
        assert look() == {}

    def test_macos_says_it_in_its_registry(self, tmp_path: Path) -> None:
        told = tmp_path / "ioreg.txt"
        told.write_text(
            '+-o AGXAcceleratorG13X\n  "PerformanceStatistics" = {"Device Utilization %"=37,"x"=1}\n'
        )
        assert of_metal(("cat", str(told)))() == {"device_busy": 0.37}
        assert of_metal(("cat", str(tmp_path / "none.txt")))() == {}


def test_only_looks_within_the_window_count() -> None:
    looks = [
        Look(0, 1, {"a": 9.0}),
        Look(1, 2, {"a": 1.0}),
        Look(2, 3, {"a": 3.0, "b": 5.0}),
        Look(3, 4, {"a": 9.0}),
    ]
    assert mean_of(looks, (1.0, 3.5)) == {"a": 2.0, "b": 5.0}
    assert mean_of(looks, (1.5, 1.6)) == {}


class TestTheProbe:
    """On the simulated device, whose calls pass in no time by the clock of the host."""

    def test_the_parent_adds_what_it_saw_within_the_window(self) -> None:
        ready = prepared(lambda x: spend(1e-3), probes=("utilisation",), work=lambda: (1.0, 1.0, "float32"))
        with Watch("fake") as watch:
            watch.begin(os.getpid(), ready.backend.identity())
            found = watch.end(measure_utilisation(ready, Budget(max_time=0.01)))
        assert found.status is Status.OK
        assert {name: value.value for name, value in evaluate(found).items()} == {"device_busy": fake.BUSY}
        assert float(found.notes["window_s"]) >= 0.3
        assert BEGAN not in found.notes
        assert ENDED not in found.notes
        assert found.notes["why"]

    def test_kernels_of_a_device_that_works_by_itself_are_held_against_the_time_of_a_call(self) -> None:
        class Launching(FakeBackend):
            def launch(self, call: Callable[[], Any], samples: int) -> list[float]:
                return [1e-6] * samples

        def works(x: list[float]) -> None:
            spend(5e-4)
            spend(5e-4)
            time.sleep(2e-3)

        ready = prepared(works, probes=("utilisation",))
        ready.workload.backend = Launching()
        found = measure_utilisation(ready, Budget(max_time=0.01))
        seconds = found.readings["call"][0].value
        assert seconds >= 2e-3
        assert evaluate(found)["kernel_busy"].value == pytest.approx(1e-3 / seconds)
        assert found.notes["launches"] == 2

    def test_a_device_that_cannot_be_looked_at_keeps_the_workers_own_readings_and_the_reason(self) -> None:
        ready = prepared(lambda x: spend(1e-3), probes=("utilisation",))
        with Watch("fake") as watch:
            watch.begin(os.getpid(), {"device_busy": "no number"})
            found = watch.end(measure_utilisation(ready, Budget(once=True)))
        assert "device_busy" not in found.readings
        assert "could not convert" in str(found.notes["unseen"])

    def test_a_window_that_is_too_short_says_so(self) -> None:
        ready = prepared(lambda x: spend(1e-3), probes=("utilisation",))
        with Watch("fake") as watch:
            watch.begin(os.getpid(), ready.backend.identity())
            found = watch.end(measure_utilisation(ready, Budget(once=True)))
        assert found.notes["unseen"] == "the window was too short for a look"

    def test_a_run_has_both_halves(self, dsbench: Callable[..., Result]) -> None:
        suites = Path(__file__).parent / "suites" / "steady"
        options = (
            "--suites",
            suites,
            "--backend",
            "fake",
            "--quick",
            "--rounds",
            "1",
            "--probe",
            "utilisation",
        )
        assert dsbench("run", *options).exit_code == 0
        for measurement in runs.find("latest").measurements:
            assert measurement.readings["device_busy"][0].value == fake.BUSY
            assert measurement.notes["why"]


@pytest.mark.parametrize(
    ("seen", "bound", "launches", "said"),
    [
        (
            {"kernel_busy": 0.2, "call": 1e-3},
            "",
            100,
            "launch-bound: kernels run 20% of the time, 100 a call of 2.0 µs",
        ),
        ({"kernel_busy": 0.2, "call": 1e-1}, "", 2, "waiting on the host: kernels run 20%"),
        ({"device_busy": 0.3}, "compute", 0, "waiting on the host: kernels run 30%"),
        (
            {"kernel_busy": 0.9, "dram_active": 0.7, "sm_active": 0.9},
            "",
            1,
            "memory-bound: the device's memory",
        ),
        (
            {"kernel_busy": 0.9, "achieved": 0.8},
            "compute",
            1,
            "near its ceiling: 80% of what the measured compute",
        ),
        ({"kernel_busy": 0.9, "tensor_active": 0.7}, "", 1, "compute-bound: the tensor cores"),
        ({"kernel_busy": 0.9, "sm_active": 0.1, "dram_active": 0.0}, "memory", 1, "small batch: 10% of the"),
        ({"kernel_busy": 0.9}, "memory", 1, MEMORY),
        ({"kernel_busy": 0.9}, "compute", 1, "busy, and no counter"),
    ],
)
def test_a_device_that_is_not_busier_has_one_cause(
    seen: dict[str, float], bound: str, launches: float, said: str
) -> None:
    assert why(seen, host=False, bound=bound, launches=launches).startswith(said)


@pytest.mark.parametrize(
    ("seen", "bound", "disturbed", "said"),
    [
        ({"device_busy": 0.4}, "", "", "waiting: the cores work 40% of the time, between operators"),
        (
            {"device_busy": 0.4},
            "",
            "waited 30%",
            "disturbed: the cores work 40% of the time, and this process waited",
        ),
        (
            {"device_busy": 1.0, "achieved": 0.9},
            "memory",
            "",
            "near its ceiling: 90% of what the measured memory",
        ),
        ({"device_busy": 1.0, "achieved": 0.1}, "memory", "", MEMORY),
        (
            {"device_busy": 1.0, "achieved": 0.1},
            "compute",
            "",
            "the cores work, but reach 10% of the ceiling",
        ),
        ({}, "", "", "the cores work; without ceilings"),
    ],
)
def test_a_host_that_is_not_busier_has_one_cause(
    seen: dict[str, float], bound: str, disturbed: str, said: str
) -> None:
    assert why(seen, host=True, bound=bound, disturbed=disturbed).startswith(said)
