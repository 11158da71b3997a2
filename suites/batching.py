"""Dynamic batching: how long requests wait, and how many a second are served within a promise."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dsbench.registry import Axis, Candidate, benchmark, resolve

BATCHING = "reference_models.batching"

SLO, SLO_DECODE = 0.05, 0.25
"""Seconds in which 99 of 100 answers have to be there: of one token, and of up to 32."""

SIZE, SLOTS = 32, 16
"""The largest batch of requests, and how many answers are written at once."""


def _by(policy: str, quick: bool = True, **options: Any) -> Candidate:
    """A candidate: the same engine under a policy of that name."""

    def candidate(**inputs: Any) -> Mapping[str, Any]:
        return {**inputs, "policy": partial(resolve(f"{BATCHING}.policies:{policy}"), **options)}

    return Candidate(candidate, quick=quick)


POLICIES = {
    "one_by_one": _by("Policy", size=1),
    "static_8": _by("Static", size=8, quick=False),
    "static_32": _by("Static", size=32, quick=False),
    "window": _by("Window", size=SIZE, wait=0.005, quick=False),
    "adaptive": _by("Adaptive", size=SIZE, slo=SLO),
}


def _scoring(device: str, seed: int, **load: Any) -> dict[str, Any]:
    from reference_models.batching.model import decoder, pool, prompts
    from reference_models.batching.scoring import Scoring

    model = decoder(device, seed)
    asked = pool(model, prompts(64, 32, device, seed), [1] * 64)
    return {"engine": Scoring(model, asked), "slo": SLO, "largest": SIZE, **load}


@benchmark(
    candidates=POLICIES,
    baseline="one_by_one",
    axes={
        "arrivals": Axis(full=("poisson", "bursty"), quick=("poisson",)),
        "rate": Axis(full=(50, 100, 200, 400, 800, 1600), quick=(800,)),
    },
    probes=("load",),
)
def waiting(arrivals: str, rate: int, device: str, seed: int) -> dict[str, Any]:
    """Requests for the token after a prompt of 32, so many a second."""
    return _scoring(device, seed, arrivals=arrivals, rate=float(rate))


@benchmark(
    candidates=POLICIES,
    baseline="one_by_one",
    axes={"arrivals": Axis(full=("poisson", "bursty"), quick=("poisson",))},
    probes=("load",),
)
def serving(arrivals: str, device: str, seed: int) -> dict[str, Any]:
    """The same requests, as many a second as are served within 50 ms."""
    return _scoring(device, seed, arrivals=arrivals)


@benchmark(
    candidates={
        "one_by_one": _by("Policy", size=1, quick=False),
        "greedy": _by("Policy", size=SLOTS, quick=False),
        "static_8": _by("Static", size=8, quick=False),
        "continuous": _by("Continuous", size=SLOTS, quick=False),
    },
    baseline="greedy",
    axes={"arrivals": Axis(full=("poisson", "bursty"), quick=("poisson",))},
    probes=("load",),
)
def decoding(arrivals: str, device: str, seed: int) -> dict[str, Any]:
    """Answers of 1 to 32 tokens after prompts of 16, as many a second as are complete within 250 ms."""
    from random import Random

    from reference_models.batching.decoding import Decoding
    from reference_models.batching.model import decoder, pool, prompts

    model, random = decoder(device, seed), Random(seed)
    # Most answers are short and some are long, which is what makes a batch wait for its longest.
    lengths = [min(32, 1 + int(random.expovariate(1 / 8))) for _ in range(32)]
    asked = pool(model, prompts(32, 16, device, seed), lengths)
    engine = Decoding(model, asked, SLOTS)
    return {"engine": engine, "slo": SLO_DECODE, "largest": SLOTS, "arrivals": arrivals}
