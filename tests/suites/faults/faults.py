"""Every way for a candidate to fail, on the simulated device."""

import os
import signal
import subprocess
import sys
import time

from dsbench.backends.fake import hold, spend
from dsbench.registry import Candidate, benchmark


def right(x):
    spend(1e-3)
    return [2.0 * value for value in x]


def wrong(x):
    return [3.0 * value for value in x]


def not_a_number(x):
    return [float("nan") for _ in x]


def changes_inputs(x):
    answer = [2.0 * value for value in x]
    x[0] = 0.0
    return answer


def other_shape(x):
    return [2.0]


def aborts(x):
    print("about to abort")
    os.abort()


def killed(x):
    os.kill(os.getpid(), signal.SIGKILL)


def leaves(x):
    sys.exit(7)


def hangs(x):
    # A helper process of its own: a time-out has to end it, too.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "orphan-of-hangs"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        print("still here")
        time.sleep(0.01)


def raises(x):
    raise ValueError("no such thing\nand more")


def exhausts(x):
    hold(2**50)


def unsupported(x):
    raise NotImplementedError("no kernel for this device")


def scribbles(x):
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b"not a message\n")
        except OSError:
            continue
    return [2.0 * value for value in x]


def floods(x):
    for _ in range(300):
        print("x" * 10_000)
    return right(x)


@benchmark(
    candidates={"steady": right}, baseline="steady", oracle=right, probes=("latency", "error", "memory")
)
def calm(device, seed):
    """Is measured before the faults."""
    return {"x": [seed + 1.0]}


@benchmark(
    candidates={
        "right": right,
        "wrong": wrong,
        "not_a_number": not_a_number,
        "changes_inputs": changes_inputs,
        "other_shape": other_shape,
        "aborts": aborts,
        "killed": killed,
        "leaves": leaves,
        "hangs": hangs,
        "raises": raises,
        "exhausts": exhausts,
        "unsupported": unsupported,
        "scribbles": scribbles,
        "floods": floods,
        "too_large": Candidate(right, memory=lambda N: 2**50),
        "misnamed": "no_such_module:function",
    },
    baseline="right",
    oracle=right,
    axes={"N": (3,)},
    probes=("latency", "error", "memory"),
)
def fault(N, device, seed):
    """Fails in the way the candidate's name says."""
    return {"x": [seed + index + 1.0 for index in range(N)]}


@benchmark(candidates={"right": right}, baseline="right")
def bad_inputs(device, seed):
    """Cannot even make its inputs."""
    raise KeyError("weights.bin")
