"""Candidates of known cost on the simulated device."""

from dsbench.backends.fake import free, hold, spend
from dsbench.registry import Axis, Candidate, benchmark


def plain(x):
    spend(2e-3)
    return [2.0 * value for value in x]


def quick(x):
    spend(1e-3)
    hold(4_000_000)
    free(4_000_000)
    return [2.0 * value for value in x]


def rough(x):
    spend(0.5e-3)
    return [2.0 * round(value) for value in x]


def rough_reference(x):
    return [2.0 * round(value) for value in x]


def oracle(x):
    return [2.0 * value for value in x]


@benchmark(
    candidates={"plain": plain, "quick": quick, "rough": Candidate(rough, reference=rough_reference)},
    baseline="plain",
    oracle=oracle,
    axes={"N": Axis((1, 10, 100), quick=(1, 10))},
    probes=("latency", "error", "memory"),
    work=lambda N: (2.0 * N, 16.0 * N, "float32"),
)
def double(N, device, seed):
    """Doubles numbers."""
    return {"x": [seed + index + 1.25 for index in range(N)]}


@benchmark(candidates={"only": plain}, baseline="only", axes={"N": (5,)})
def unchecked(N, device, seed):
    """Has no oracle and asks for latency alone."""
    return {"x": [1.0] * N}
