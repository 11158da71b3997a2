"""The probe `load`: how long requests wait, and how many a second are served within a promise (SLO).

A candidate under this probe answers with a mapping of what serves them:

- ``engine`` and ``policy``, a function that makes a fresh one; what they have to do is said in
  `dsbench.load.serving`;
- ``slo``, the promise: seconds from the intended arrival within which 99 of 100 answers have to come;
- ``arrivals``: ``poisson``, ``bursty`` or the moments of a recording;
- ``largest``, the most requests that a step may have, and ``clients``, how many a closed loop has;
- ``rate``, requests a second; without it, the highest that keeps to the promise is searched for.

Every answer has to be the one that its request gets alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from dsbench.load.arrivals import arrivals
from dsbench.load.outcome import as_sent, distribution, keeps, lateness, p99, summary
from dsbench.load.search import STEP, highest, predict
from dsbench.load.serving import Engine, Policy, Served, serve
from dsbench.load.virtual import calibrate
from dsbench.probes.prepared import Budget, Prepared
from dsbench.records import Measurement, Scalar, Status

LEAST = 200
"""Requests of a run at least: with fewer than two in a hundred a 99th percentile is the longest latency."""

LONGEST = 20
"""Time limits of a probe that a live load of so many requests may take: rates below are not searched."""

PATIENCE = 10
"""Promises after the last arrival at which an overloaded run ends."""

TRIES = 6
"""Rates that are tried live: enough for twice and for half of what was predicted."""

LATE = 0.1
"""Share of the promise by which the loop may wake up late before its latencies are called unstable."""


@dataclass
class Asked:
    """What a candidate answers with, see above."""

    engine: Engine
    policy: Callable[[], Policy]
    slo: float
    largest: int
    arrivals: str | Sequence[float] = "poisson"
    clients: int = 4
    rate: float | None = None


class WrongAnswerError(Exception):
    """A request was answered otherwise than when it is alone."""


@dataclass
class Runs:
    """Live runs of one candidate on one device, all with the same draw of arrivals; the worst lateness."""

    prepared: Prepared
    asked: Asked
    budget: Budget
    late: list[float] = field(default_factory=list)

    @property
    def slowest(self) -> float:
        """The lowest rate that is searched, in requests a second."""
        return LEAST / (LONGEST * self.budget.max_time)

    def keeps(self, rate: float) -> bool:
        """Whether the promise is kept at a rate, live; rates that are too low to be watched do not count."""
        return rate >= self.slowest and keeps(self.run(rate), self.asked.slo)

    def run(self, rate: float, clients: int | None = None) -> Served:
        """Serves a fresh load at a rate: an open loop, or a closed one of so many clients.

        Raises:
            WrongAnswerError: an answer differs.
        """
        asked, seed = self.asked, self.prepared.workload.seed
        count = 20 if self.budget.once else max(LEAST, round(rate * self.budget.max_time))
        moments = arrivals(asked.arrivals, rate, count, seed)
        until = moments[-1] + PATIENCE * asked.slo
        served = serve(asked.engine, asked.policy(), moments, self.prepared.backend, clients, until)
        for request, answer in served.answers.items():
            if answer != (alone := asked.engine.alone(request)):
                raise WrongAnswerError(f"request {request} was answered {answer}, and alone {alone}")
        self.late.append(lateness(served))
        return served


def measure_load(prepared: Prepared, budget: Budget) -> Measurement:
    """One reading a round of each metric: at the rate that is asked for, or the highest one.

    Raises:
        ValueError: the candidate answers with something else.
    """
    asked = _asked(prepared.call())
    runs = Runs(prepared, asked, budget)
    try:
        found, notes = _searched(runs) if asked.rate is None else _at(runs, asked.rate)
    except WrongAnswerError as error:
        return prepared.failure("load", Status.WRONG, str(error))
    if not found:
        kept = f"99 % of answers come within {asked.slo * 1e3:g} ms"
        reason = f"no rate from {runs.slowest:.3g} requests a second on was found at which {kept}"
        return prepared.failure("load", Status.UNSUPPORTED, reason)
    late, reason = max(runs.late), ""
    if late > LATE * asked.slo:
        reason = f"the load generator woke up {late * 1e3:.1f} ms late (99th percentile): keep the host quiet"
    elif asked.rate is None and not notes["ended"]:
        reason = f"{TRIES} rates did not bracket the highest one: the machine changed meanwhile, try again"
    return prepared.measurement(
        "load",
        {name: [value] for name, value in found.items()},
        status=Status.UNSTABLE if reason else Status.OK,
        reason=reason,
        notes={"slo": asked.slo, "late_p99": late, **notes},
    )


def _at(runs: Runs, rate: float) -> tuple[dict[str, float], dict[str, Scalar]]:
    served = runs.run(rate)
    found = summary(served, runs.asked.slo)
    if closed := as_sent(runs.run(rate, runs.asked.clients)):
        found["latency_p99_closed"] = p99(closed)
    unanswered = len(served.intended) - len(served.answers)
    return found, {"batch_sizes": distribution(served), "unanswered": unanswered}


def _searched(runs: Runs) -> tuple[dict[str, float], dict[str, Scalar]]:
    """The highest rate, live, from what virtual time predicts for this process; empty where there is none."""
    asked, workload = runs.asked, runs.prepared.workload
    limit = 0.0 if runs.budget.once else runs.budget.max_time
    costs = calibrate(asked.engine, workload.backend, asked.largest, limit)
    predicted = predict(costs, asked.engine.steps, asked.policy, asked.slo, asked.arrivals, workload.seed)
    if runs.budget.once:  # whether it works, not how fast
        rate = (predicted or 1 / asked.slo) / 2
        runs.run(rate)
        return {"rate_at_slo": rate}, {"trials": 1, "ended": True}
    if predicted is None or predicted < runs.slowest:
        return {}, {}
    good, bad = highest(runs.keeps, predicted, TRIES)
    if good is None:
        return {}, {}
    ended = bad is not None and bad <= STEP * good
    return {"rate_at_slo": good, "rate_predicted": predicted}, {"trials": len(runs.late), "ended": ended}


def _asked(returned: Any) -> Asked:
    names = {field.name for field in fields(Asked)}
    if not isinstance(returned, Mapping) or not {"engine", "policy", "slo", "largest"} <= set(returned):
        raise ValueError(
            "the probe 'load' wants a mapping with 'engine', 'policy', 'slo' and 'largest', and got "
            f"{type(returned).__name__}"
        )
    if unknown := sorted(set(returned) - names):
        raise ValueError(f"the probe 'load' knows no {', '.join(unknown)}: {', '.join(sorted(names))}")
    return Asked(**returned)
