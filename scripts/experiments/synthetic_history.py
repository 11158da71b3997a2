"""A long history that nobody measured: the files that `dsbench run` records, with made-up readings.

The first run of each machine is recorded by dsbench itself; the others repeat its files with other commits
and readings, since recording thousands of runs one by one would take an hour. Levels differ by case,
rounds scatter by 1 %, and each case steps up or down by 5 to 20 % about once in 300 commits.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsbench.history import record
from dsbench.records import Case, Device, Environment, Measurement, Run, Sample, Status
from dsbench.stats.intervals import of_rounds

ROUNDS = 3
FIRST = 1_700_000_000
"""When the first commit was made, in seconds since the epoch; the others follow every hour."""


@dataclass(frozen=True)
class Size:
    """How long a history is, of how much."""

    commits: int
    benchmarks: int
    points: int
    machines: int

    @property
    def numbers(self) -> int:
        """Points of all series together."""
        return self.commits * self.benchmarks * self.points * self.machines


def repository(folder: Path, commits: int) -> list[str]:
    """A git repository with so many empty commits, oldest first; their hashes."""
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    lines: list[str] = []
    for number in range(commits):
        subject = f"Change number {number}"
        lines += [
            "commit refs/heads/main",
            f"committer nobody <nobody@example.invalid> {FIRST + 3600 * number} +0000",
            f"data {len(subject)}",
            subject,
            "",
        ]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(
        ["git", "-C", str(folder), "fast-import", "--quiet"],
        input="\n".join(lines) + "\n",
        text=True,
        check=True,
        env=quiet,
    )
    subprocess.run(["git", "-C", str(folder), "reset", "-q", "--hard", "main"], check=True, env=quiet)
    log = subprocess.check_output(["git", "-C", str(folder), "rev-list", "--reverse", "main"], text=True)
    return log.split()


def write(results: Path, commits: list[str], size: Size, seed: int = 0) -> None:
    """Records `size` of a history below `results`."""
    for machine in range(size.machines):
        _Machine(results, commits, size, f"machine-{machine}", random.Random(f"{seed}/{machine}")).write()


class _Machine:
    def __init__(
        self, results: Path, commits: list[str], size: Size, name: str, chance: random.Random
    ) -> None:
        self.results, self.commits, self.name, self.chance = results, commits, name, chance
        self.cases = [
            Case(f"suite{number // 10:02}", f"benchmark{number:03}", "candidate", (("N", 2**point),))
            for number in range(size.benchmarks)
            for point in range(size.points)
        ]
        self.levels = [10 ** chance.uniform(-6, -2) for _ in self.cases]

    def write(self) -> None:
        first = self._run(0)
        side = record(first, self.results)
        asv = json.loads(side.with_name(f"{side.stem}.json").read_text())
        for number in range(1, len(self.commits)):
            self._step()
            run = self._run(number)
            name = f"{self.commits[number][:8]}-{run.environment.name}"
            side.with_name(f"{name}.jsonl").write_text("".join(line + "\n" for line in run.lines()))
            side.with_name(f"{name}.json").write_text(json.dumps(self._as_asv(run, asv)))

    def _step(self) -> None:
        for index in range(len(self.levels)):
            if self.chance.random() < 1 / 300:
                self.levels[index] *= math.exp(self.chance.choice((-1, 1)) * self.chance.uniform(0.05, 0.2))

    def _run(self, number: int) -> Run:
        commit, when = self.commits[number], FIRST + 3600.0 * number
        environment = Environment(
            machine=self.name,
            device=Device(
                "cpu", "Made-up device", driver=f"550.{number // 100}", versions={"torch": "2.13.0"}
            ),
            os="Linux 6.1",
            cpu="Made-up processor",
            cores=2,
            memory=2**34,
            python="3.12.1",
            versions={"dsbench": "0.1.0"},
            commit=commit,
            commit_time=when,
            subject=f"Change number {number}",
        )
        return Run(
            id=f"{self.name}-{number:05}",
            started=when,
            environment=environment,
            settings={"rounds": ROUNDS, "seed": 0, "filters": [], "excludes": []},
            planned=tuple(case.name for case in self.cases),
            baselines={f"{case.suite}.{case.benchmark}": case.candidate for case in self.cases},
            measurements=tuple(map(self._measurement, self.cases, self.levels)),
            ended=when + 600,
        )

    def _measurement(self, case: Case, level: float) -> Measurement:
        drawn = (
            Sample(float(f"{level * math.exp(self.chance.gauss(0, 0.01)):.6g}"), number)
            for number in range(ROUNDS)
        )
        return Measurement(case, "latency", Status.OK, readings={"latency": tuple(drawn)})

    def _as_asv(self, run: Run, first: dict[str, Any]) -> dict[str, Any]:
        """The first run's file with the numbers of another run; its columns are result, parameters, version,
        started_at, duration, the 99 % interval's ends, the quartiles, number, repeat and samples."""
        columns = first["result_columns"]
        results: dict[str, Any] = {}
        readings = iter([[s.value for s in m.readings["latency"]] for m in run.measurements])
        for name, row in first["results"].items():
            old = dict(zip(columns, row, strict=False))
            new = dict(old)
            samples = [next(readings) for _ in old["result"]]
            wide = [of_rounds([[value] for value in values], confidence=0.99) for values in samples]
            new |= {"result": [found.value for found in wide], "samples": samples}
            new |= {"stats_ci_99_a": [w.low for w in wide], "stats_ci_99_b": [w.high for w in wide]}
            new |= {
                "stats_q_25": [sorted(v)[0] for v in samples],
                "stats_q_75": [sorted(v)[-1] for v in samples],
            }
            results[name] = [new[column] for column in columns[: len(row)]]
        facts = {"commit_hash": run.environment.commit, "date": int(run.started * 1000)}
        return {**first, **facts, "results": results}
