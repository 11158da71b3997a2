"""Does an independent load generator say the same? MLPerf LoadGen and dsbench, in turns, on the same engine.

LoadGen's scenario Server sends queries by a Poisson process of its own and reports latencies from its
schedule; Offline hands over all at once. The engine and the policies are those of the suite `batching`, fed
from a queue by a thread, because LoadGen calls from its own. What was expected before the first run: the rate
offline within 10 %, the median latency within 20 %, and a 99th percentile that is larger with LoadGen, whose
thread has to be given Python's lock for each query. It was not: medians came out 1.3 to 2.7 times as long, so
that the way of a query is taken apart: `step`, what the engine takes for a batch, and `inside`, from the
callback that brings a query to its answer; what LoadGen reports beyond that lies before the callback. And
dsbench's own arrivals are sent through the same queue, by a thread that sleeps until each (`queued`): what
that takes longer than the probe's loop is the queue's, not LoadGen's.

    pip install 'dsbench[loadgen]'
    python scripts/experiments/loadgen.py --backend cpu --out docs/experiments
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Condition, Thread
from typing import Any

try:
    import mlperf_loadgen as loadgen
except ImportError:
    sys.exit("error: LoadGen is not installed: pip install 'dsbench[loadgen]'")
from measuring import device, write

from dsbench.load.outcome import summary
from dsbench.load.serving import Policy, serve
from dsbench.probes import Budget, Prepared, Workload
from dsbench.probes.load import Asked, Runs
from dsbench.registry import builtin_suites, load

POLICIES = ("one_by_one", "window", "adaptive")
LOADS = (0.3, 0.6)
"""Rates of Server, over what the policy does offline."""


class Queue:
    """What another thread sends, served by one under a policy; `complete` hears of each batch."""

    def __init__(self, asked: Asked, complete: Callable[[list[Any]], None]) -> None:
        self.complete = complete
        self.engine, self.policy, self.more = asked.engine, asked.policy(), True
        self.steps: list[float] = []
        self.inside: list[float] = []
        self.changed: Condition = Condition()
        self.waiting: deque[tuple[float, Any]] = deque()
        self.thread = Thread(target=self.work)
        self.thread.start()

    def issue(self, samples: list[Any]) -> None:
        now = time.perf_counter()
        with self.changed:
            self.waiting.extend((now, sample) for sample in samples)
            self.changed.notify()

    def flush(self) -> None:
        """No more will come, so that nobody need be waited for."""
        with self.changed:
            self.more = False
            self.changed.notify()

    def work(self) -> None:
        while batch := self.take():
            began = time.perf_counter()
            self.engine.step([sample.index for _, sample in batch])
            ended = time.perf_counter()
            self.policy.stepped(ended - began, len(batch))
            self.complete([sample for _, sample in batch])
            self.steps.append(ended - began)
            self.inside += [ended - came for came, _ in batch]

    def take(self) -> list[tuple[float, Any]]:
        """The next batch with when each came, empty at the end."""
        with self.changed:
            while self.waiting or self.more:
                now, wake = time.perf_counter(), math.inf
                if self.waiting:
                    oldest = self.waiting[0][0]
                    if count := self.policy.admit(now, len(self.waiting), oldest, 0, self.more):
                        return [self.waiting.popleft() for _ in range(count)]
                    wake = self.policy.wake(oldest)
                self.changed.wait(None if math.isinf(wake) else max(0.0, wake - now))
        return []


def by_thread(asked: Asked, moments: Sequence[float]) -> float:
    """The median latency of arrivals, seconds from the start, that this thread puts into the queue."""
    answered: list[float] = []
    origin = time.perf_counter() + 0.01

    def complete(samples: list[Sample]) -> None:
        now = time.perf_counter() - origin
        answered.extend(now - sample.intended for sample in samples)

    queue = Queue(asked, complete)
    for index, moment in enumerate(moments):
        time.sleep(max(0.0, origin + moment - time.perf_counter()))
        queue.issue([Sample(index, moment)])
    queue.flush()
    queue.thread.join()
    return median(answered[len(answered) // 10 :])


@dataclass
class Sample:
    """A request of this script's own: which, and when it was meant to come."""

    index: int
    intended: float


def complete(samples: list[Any]) -> None:
    """Tells LoadGen of a batch."""
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in samples])


def by_loadgen(asked: Asked, scenario: str, rate: float, count: int, seed: int) -> dict[str, float]:
    """What LoadGen's summary says, by the names of its lines, and medians of `step` and `inside`."""
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = settings.offline_expected_qps = rate
    settings.server_target_latency_ns = int(asked.slo * 1e9)
    settings.min_duration_ms, settings.min_query_count, settings.max_query_count = 0, count, count
    settings.schedule_rng_seed = settings.sample_index_rng_seed = settings.qsl_rng_seed = seed + 1
    queue = Queue(asked, complete)
    system = loadgen.ConstructSUT(queue.issue, queue.flush)
    samples = loadgen.ConstructQSL(count, count, lambda _: None, lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        log, where = loadgen.LogSettings(), loadgen.LogOutputSettings()
        where.outdir, where.copy_summary_to_stdout = folder, False
        log.log_output, log.enable_trace = where, False
        loadgen.StartTestWithLogSettings(system, samples, settings, log)
        text = (Path(folder) / "mlperf_log_summary.txt").read_text()
    queue.flush()
    queue.thread.join()
    loadgen.DestroyQSL(samples)
    loadgen.DestroySUT(system)
    said = {name.strip(): float(value) for name, value in re.findall(r"^(.+?)\s*: ([\d.e+]+)$", text, re.M)}
    return {**said, "step": median(queue.steps), "inside": median(queue.inside)}


def offline(asked: Asked, policy: Policy, count: int, clock: Any) -> float:
    return count / serve(asked.engine, policy, [0.0] * count, clock).ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a load")
    options = parser.parse_args()
    backend = device(options.backend)
    declared = load(builtin_suites() / "batching.py").benchmarks["serving"]
    rows: list[dict[str, Any]] = []
    for case in declared.cases(options.backend, quick=False):
        if case.candidate not in POLICIES or case.at["arrivals"] != "poisson":
            continue
        for turn in range(options.turns):
            workload = Workload(declared, case, backend, turn)
            prepared = Prepared(case, workload, 0, declared.candidates[case.candidate].function)
            asked = Asked(**prepared.call())
            runs = Runs(prepared, asked, Budget(max_time=options.seconds))
            most = offline(asked, asked.policy(), 200, backend)  # warms up, and says how many fill the time
            count = max(200, round(most * options.seconds))
            ours = offline(asked, asked.policy(), count, backend)
            theirs = by_loadgen(asked, "Offline", most, count, turn)["Samples per second"]
            facts = {"policy": case.candidate, "turn": turn}
            rows.append(
                {**facts, "scenario": "Offline", "load": 1.0, "what": "rate", "ours": ours, "loadgen": theirs}
            )
            for share in LOADS:
                rate = share * ours
                served = runs.run(rate)
                found = summary(served, asked.slo)
                said = by_loadgen(asked, "Server", rate, max(200, round(rate * options.seconds)), turn)
                pairs = {
                    **{
                        f"p{percent}": (
                            found[f"latency_p{percent}"],
                            said[f"{percent}.00 percentile latency (ns)"] / 1e9,
                        )
                        for percent in (50, 99)
                    },
                    "step": (median(seconds for seconds, _ in served.steps), said["step"]),
                    "inside": (found["latency_p50"], said["inside"]),
                    "queued": (found["latency_p50"], by_thread(asked, served.intended)),
                }
                rows += [
                    {**facts, "scenario": "Server", "load": share, "what": what, "ours": a, "loadgen": b}
                    for what, (a, b) in pairs.items()
                ]
    rows = [{**row, "ratio": row["loadgen"] / row["ours"]} for row in rows]
    write(rows, backend, options.out, "loadgen")
    for key in dict.fromkeys((row["policy"], row["scenario"], row["load"], row["what"]) for row in rows):
        ratios = [
            row["ratio"] for row in rows if (row["policy"], row["scenario"], row["load"], row["what"]) == key
        ]
        print(*key, f"LoadGen / dsbench {median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")


if __name__ == "__main__":
    main()
