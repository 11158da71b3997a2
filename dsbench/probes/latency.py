"""The probe `latency`, taken in short turns so that the candidates of a point can take theirs in between.

Readings of one kind form a `Track`: warm data, a flushed cache, the host's share of a call, a replayed
graph. Warm-up ends when the readings have settled, a track when the interval of its median is narrow
enough or at the time limit; the measurement says which. Warm data decide how long a case is sampled: the
other kinds end with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from dsbench.backends import UnsupportedError
from dsbench.backends.condition import Condition, disturbance
from dsbench.probes.prepared import AFTER, Budget, Prepared
from dsbench.records import Measurement, Sample, Scalar, Status
from dsbench.stats.intervals import of_median

HOT, COLD, LAUNCH, GRAPH = "latency", "latency_cold", "launch_overhead", "latency_graph"

BLOCK = 5
"""Readings between two looks at whether the warm-up is over."""

FEWEST = 3
"""Readings that are taken however long each is; the interval then comes from the rounds. Of cold ones that
cost more than the rest of the case, one."""

MOST = 100
"""Readings of one kind in a round: more would only make the files larger, so short calls are looped."""

TURN = 0.03
"""Seconds of a turn: short against the machine's drift, long against what switching between candidates
costs and against the ticks in which the kernel counts stolen time."""

ASIDE = 0.25
"""Share of a turn that cold data and launches get: before each of their readings the cache is flushed or
the device has to come to rest, which costs a thousand short calls, and a median needs few readings."""

REFILL = 0.05
"""Seconds above which a reading is not preceded by an untimed call: refilling the caches that another
candidate's turn has emptied takes milliseconds, which no longer show."""

RETRIES = 5
"""Disturbed turns of a track that are taken again; after those, disturbed or not, a turn counts."""

LONGEST_LEAD = 0.02
"""Seconds for which a device is kept busy so that the host can run ahead: by then its queue is full."""


@dataclass
class Track:
    """Readings of one kind, how they are taken, and why that stopped. `seconds` is what one reading takes,
    `share` how much of a turn the track gets, `fewest` how many readings it needs; `spent` and `counted` are
    of the turns that were not disturbed, or not taken again."""

    name: str
    take: Callable[[int], list[float]]
    calls: int
    seconds: float
    share: float = 1.0
    fewest: int = FEWEST
    samples: list[Sample] = field(default_factory=list)
    counted: int = 0
    spent: float = 0.0
    retries: int = 0
    stop: str = ""

    @property
    def noise(self) -> float | None:
        """Half the interval of the median, relative to it; None while there are too few readings."""
        return of_median([sample.value for sample in self.samples]).half_width

    def judge(self, budget: Budget) -> None:
        """Decides whether the readings suffice, and says why in `stop`."""
        if self.fewest == 1 and self.samples:
            self.stop = "one reading: more would cost more than the rest of the case"
            return
        noise, enough = self.noise, self.counted >= MOST
        if noise is not None and noise <= budget.max_noise and (enough or self.spent >= budget.min_time):
            self.stop = f"{self._width} within ±{budget.max_noise:.2%}"
        elif self.spent >= budget.max_time and len(self.samples) >= self.fewest:
            self.stop = f"time limit {budget.max_time:g} s: {self._width}, wanted ±{budget.max_noise:.2%}"

    def end(self, why: str) -> None:
        """Stops for a reason that lies outside, unless there are too few readings."""
        if not self.stop and len(self.samples) >= self.fewest:
            self.stop = f"{why}: {self._width}"

    @property
    def _width(self) -> str:
        return "no interval yet" if self.noise is None else f"interval ±{self.noise:.2%}"


class Latency:
    """The latency of one case. Warms up when it is made; then `turn` until it says that it is done."""

    def __init__(self, prepared: Prepared, budget: Budget) -> None:
        self.prepared, self.budget = prepared, budget
        self._backend, self._call = prepared.backend, prepared.call
        self._notes: dict[str, Scalar] = {}
        self._tracks: list[Track] = []
        self._lead = 0.0
        if budget.once:
            reading = Sample(self._backend.time(self._call, 1)[0], prepared.round)
            self._tracks = [Track(HOT, lambda _: [], 1, reading.value, samples=[reading], stop="one call")]
            return
        prepared.first_call()
        first = self._backend.time(self._call, 1)[0]
        span = max(self._backend.resolution, budget.min_time / MOST)
        calls = max(1, math.ceil(span / first)) if first > 0 else 1
        seconds, self._notes["warm_up"] = self._settle(calls, first * calls)
        self._tracks = list(self._plan(calls, seconds))

    @property
    def done(self) -> bool:
        """Whether every kind of reading has been taken."""
        return all(track.stop for track in self._tracks)

    def turn(self) -> None:
        """Takes some readings of every kind that is not done. A turn that was disturbed is marked with
        the cause, kept, and taken again a bounded number of times."""
        if self.done:
            return
        before = self._backend.condition()
        if self._tracks[0].seconds <= REFILL:
            self._lead = min(LONGEST_LEAD, 1.3 * self._untimed() * self._tracks[0].calls)
        taken = [(track, *self._take(track)) for track in self._tracks if not track.stop]
        after = self._backend.condition()
        cause = disturbance(before, after, self._backend.cores)
        self._note(after)
        for track, values, spent in taken:
            track.samples += [Sample(value, self.prepared.round, track.calls, cause) for value in values]
            if cause and track.retries < RETRIES:
                track.retries += 1
            else:
                track.counted += len(values)
                track.spent += spent
            if not track.stop:
                track.judge(self.budget)
        if self._tracks[0].stop:
            for track in self._tracks[1:]:
                track.end(f"with {HOT}")

    def sample(self, name: str, seconds: float) -> tuple[list[float], int]:
        """Readings of one kind for about so long, at least one, that go into no measurement; and how many
        calls they and what went before them made.

        Raises:
            UnsupportedError: the device or the case has no such readings; the message says why.
        """
        track = next((track for track in self._tracks if track.name == name), None)
        if track is None or track.stop:
            raise UnsupportedError(track.stop if track else f"{name} is not measured here")
        before = 0
        if track.seconds <= REFILL:
            self._lead = min(LONGEST_LEAD, 1.3 * self._untimed() * track.calls)
            before = 1
        wanted = max(1, round(seconds / track.seconds) if track.seconds > 0 else MOST)
        return track.take(wanted), before + wanted * track.calls

    def measurement(self) -> Measurement:
        """What the readings say, after the answer was checked once more."""
        answer = self.prepared.check(AFTER)
        if answer.problem:
            return self.prepared.failure("latency", Status.WRONG, f"after timing: {answer.problem}")
        hot = self._tracks[0]
        readings = {track.name: track.samples for track in self._tracks if track.samples}
        if not self.budget.once:
            typical = median(sample.value for sample in hot.samples)
            extra = max(0.0, self.prepared.first_call() - typical)
            readings["compile_time"] = [Sample(extra, self.prepared.round)]
        for track in self._tracks:
            self._notes["stop" if track is hot else f"{track.name}_stop"] = track.stop
        disturbed = sum(1 for sample in hot.samples if sample.mark)
        if disturbed:
            self._notes["disturbed"] = f"{disturbed} of {len(hot.samples)} readings"
        unsettled = hot.stop.startswith("time limit") and hot.noise is not None
        return self.prepared.measurement(
            "latency",
            readings,
            status=Status.UNSTABLE if unsettled else Status.OK,
            reason=hot.stop if unsettled else "",
            notes=self._notes,
        )

    def _settle(self, calls: int, seconds: float) -> tuple[float, str]:
        """Takes readings until two blocks in a row agree; the seconds of a reading, and how that went."""
        budget, backend = self.budget, self._backend
        if seconds > budget.max_time / BLOCK:
            return seconds, "one call: a call is long against the time limit"
        began, taken, earlier = backend.now(), 0, math.inf
        while backend.now() - began < budget.max_time:
            later = median(backend.time(self._call, BLOCK, calls))
            taken += BLOCK
            if abs(later - earlier) <= budget.max_noise * later:
                return later * calls, f"settled after {taken} readings"
            earlier = later
        return later * calls, f"not settled after {taken} readings"

    def _plan(self, calls: int, seconds: float) -> Iterator[Track]:
        backend, call = self._backend, self._call
        yield Track(HOT, lambda n: backend.time(call, n, calls, lead=self._lead), calls, seconds)
        if self.budget.warm_only:
            return
        if seconds / calls > self.budget.max_time:
            self._notes[f"{COLD}_stop"] = "not taken: one call outlasts the time limit"
            return
        yield self._cold(seconds / calls)
        yield Track(LAUNCH, lambda n: backend.launch(call, n), 1, seconds / calls, ASIDE)
        if self.budget.graph:
            try:
                replay = backend.graph(call, calls)
            except UnsupportedError as error:
                self._notes[f"{GRAPH}_stop"] = str(error)
                return

            def replayed(n: int) -> list[float]:
                replay()
                return [value / calls for value in backend.time(replay, n)]

            yield Track(GRAPH, replayed, calls, seconds)

    def _cold(self, seconds: float) -> Track:
        """The track of cold readings. A flush may take a thousand times as long as the call, so that a first
        turn of as many readings as warm calls fit would outlast the time limit. Where a few flushes take
        longer than all else that is asked of the case, one a round has to do."""
        backend, call = self._backend, self._call
        track = Track(COLD, lambda n: backend.time(call, n, cold=True, lead=self._lead), 1, seconds, ASIDE)
        try:
            track.seconds += backend.flush_time
        except UnsupportedError as error:
            track.stop = str(error)
        if FEWEST * track.seconds > self.budget.min_time:
            track.fewest = 1
        return track

    def _take(self, track: Track) -> tuple[list[float], float]:
        """Readings of one turn, and the seconds they took; a track that the device cannot take stops."""
        length = track.share * min(TURN, self.budget.min_time / FEWEST)
        wanted = max(1, min(MOST, round(length / track.seconds) if track.seconds > 0 else MOST))
        began = self._backend.now()
        try:
            values = track.take(wanted)
        except UnsupportedError as error:
            track.stop = str(error)
            return [], 0.0
        spent = self._backend.now() - began
        track.seconds = max(track.seconds, spent / wanted)  # a flush may take longer than the call itself
        return values, spent

    def _untimed(self) -> float:
        """A call that brings its data back into the caches; seconds the host needs to launch one."""
        try:
            return self._backend.launch(self._call, 1)[0]
        except UnsupportedError:
            self._call()
            return 0.0

    def _note(self, now: Condition) -> None:
        """Writes down what state the device was in when it was last looked at."""
        facts = {"clock_mhz": now.clock, "temperature_c": now.temperature, "power_w": now.power}
        self._notes.update({name: round(value, 1) for name, value in facts.items() if value is not None})
