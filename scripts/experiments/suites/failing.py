"""Candidates that fail in every way a process can, on any backend of the host. The
parameter is called `_x` because hardly any of them looks at it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time

from dsbench.backends.fake import spend
from dsbench.registry import benchmark

THREADS = 2000
"""How many threads are started before it counts as enough; a failing start ends it earlier."""

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def right(_x):
    spend(1e-3)
    return [2.0 * value for value in _x]


def segfault(_x):
    ctypes.string_at(0)


def abort(_x):
    os.abort()


def hang_printing(_x):
    while True:
        print("still here", flush=True)
        time.sleep(0.001)


def leave(_x):
    os._exit(7)


def exception(_x):
    raise ValueError("no such thing")


def host_memory(_x):
    return bytearray(2**50)


def host_memory_limit(_x):
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as pages:
        size = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, before[1]))
    try:
        taken = []
        while True:
            taken.append(bytearray(2**24))
    finally:
        taken.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)


def thread_bomb(_x):
    for _ in range(THREADS):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    raise RuntimeError(f"{THREADS} threads")


def flood(_x):
    if not flood.done:
        flood.done = True
        for _ in range(100):
            sys.stdout.write("x" * 10**6)
        sys.stdout.flush()
    return right(_x)


flood.done = False


def ignore_sigterm(_x):
    subprocess.Popen([sys.executable, "-c", STUBBORN])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


@benchmark(
    candidates={
        function.__name__: function
        for function in (
            right,
            segfault,
            abort,
            hang_printing,
            leave,
            exception,
            host_memory,
            host_memory_limit,
            thread_bomb,
            flood,
            ignore_sigterm,
        )
    },
    baseline="right",
    oracle=right,
    axes={"N": (3,)},
)
def failing(N, device, seed):
    """Fails in the way the candidate's name says."""
    del device
    return {"_x": [seed + index + 1.0 for index in range(N)]}
