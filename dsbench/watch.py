"""The parent looks at a device while a worker keeps it busy, and adds what it saw to the measurement.

A thread of the parent, so that the worker's own time goes to its calls alone. Worker and parent are
processes of one host, whose monotonic clock they share: only looks that lie within the worker's window count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from types import TracebackType
from typing import Any

from dsbench.backends import BACKENDS
from dsbench.backends.activity import Activity
from dsbench.metrics import METRICS
from dsbench.probes.bottleneck import why
from dsbench.probes.utilisation import BEGAN, ENDED
from dsbench.records import Measurement, Sample, Scalar

INTERVAL = 0.1
"""Seconds between two looks: the shortest that the counters of a device are refreshed in."""

PROBE = "utilisation"


@dataclass(frozen=True)
class Look:
    """What was seen between two moments of the monotonic clock."""

    began: float
    ended: float
    seen: Mapping[str, float]


class Watch:
    """Looks at one device of a family whenever a worker says that it will be busy; a context manager."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._looks: list[Look] = []
        self._unseen = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, pid: int, identity: Mapping[str, Any]) -> None:
        """Starts to look.

        Args:
            pid: the worker.
            identity: which device it works on, by `Backend.identity`.
        """
        self.close()
        self._looks, self._stop = [], threading.Event()
        try:
            look, self._unseen = BACKENDS[self._backend].activity(pid, identity)
        except Exception as error:  # the worker may be gone already, and libraries have errors of their own
            look, self._unseen = None, str(error)
        if look is not None:
            self._thread = threading.Thread(target=self._watch, args=(look, self._stop), daemon=True)
            self._thread.start()

    def _watch(self, look: Activity, stop: threading.Event) -> None:
        try:
            look()  # what counts since the look before it begins here
            before = time.monotonic()
            while not stop.wait(INTERVAL):
                seen, now = look(), time.monotonic()
                self._looks.append(Look(before, now, seen))
                before = now
        except Exception as error:
            self._unseen = str(error)

    def end(self, measurement: Measurement) -> Measurement:
        """Stops, and gives the measurement with what was seen and why it is no more."""
        self.close()
        if not measurement.status.has_numbers:
            return measurement
        notes = dict(measurement.notes)
        window = float(notes.pop(BEGAN)), float(notes.pop(ENDED))
        means = mean_of(self._looks, window)
        (first, *_) = measurement.readings["call"]
        shares = {name: mean for name, mean in means.items() if name in METRICS}
        seen = {name: samples[0].value for name, samples in measurement.readings.items()} | shares
        if measurement.work.floor is not None:
            seen["achieved"] = measurement.work.floor / first.value
        facts: dict[str, Scalar] = {
            "window_s": round(window[1] - window[0], 3),
            **{name: float(f"{mean:.4g}") for name, mean in means.items() if name not in METRICS},
            **({} if means else {"unseen": self._unseen or "the window was too short for a look"}),
            "why": why(
                seen,
                self._backend == "cpu",
                measurement.work.bound,
                float(notes.get("launches", 0.0)),
                first.mark,
            ),
        }
        readings = {name: (Sample(share, first.round),) for name, share in shares.items()}
        return replace(measurement, readings={**measurement.readings, **readings}, notes={**notes, **facts})

    def close(self) -> None:
        """Stops looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mean_of(looks: Iterable[Look], window: tuple[float, float]) -> dict[str, float]:
    """The mean of each reading over the looks that lie within a window; nothing when there are none."""
    within = [look.seen for look in looks if window[0] <= look.began and look.ended <= window[1]]
    names = dict.fromkeys(name for seen in within for name in seen)
    return {name: fmean(seen[name] for seen in within if name in seen) for name in names}
