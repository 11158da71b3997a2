"""The child process: takes one job on stdin, sends one JSON line a message on a pipe of its own.

Run as ``python -m dsbench.worker FD``. What candidates print goes to stderr, never into the messages.
When the parent dies, stdin closes and the worker ends itself and everything it started.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from dsbench.backends import AUTOMATIC, BACKENDS
from dsbench.environment import capture
from dsbench.probes.ceilings import measure_ceilings
from dsbench.records import dump
from dsbench.round import Job, Send, measure
from dsbench.turns import take_turns


def describe(job: Mapping[str, Any], send: Send) -> None:
    """Answers which backends are here and, for the one asked for, its environment.

    Messages: ``{"type": "availability", ...}`` a backend, then ``{"type": "environment", ...}`` if it
    can be used.
    """
    wanted = job["backend"]
    names = list(BACKENDS) if wanted == "all" else list(AUTOMATIC) if wanted == "auto" else [wanted]
    usable = []
    for name in names:
        found = BACKENDS[name].availability()
        send({"type": "availability", "backend": name, "devices": found.devices, "reason": found.reason})
        usable += [name] if found.usable else []
    chosen = next((name for name in AUTOMATIC if name in usable), None) if wanted != "fake" else wanted
    if chosen and job["index"] < len(BACKENDS[chosen].availability().devices):
        backend = BACKENDS[chosen](job["index"])
        environment = capture(backend, job["machine"], Path(job["results"])).to_json()
        send({"type": "environment", "environment": environment, "advice": backend.advice()})


def listen() -> Callable[[], dict[str, Any]]:
    """What waits for the parent's next line. Kills this process and all it started once stdin closes,
    which it does when the parent dies."""
    arrived: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def watch() -> None:
        # Not sys.stdin, whose lock a thread that waits in it holds when the interpreter shuts down.
        with open(0, "rb", buffering=0, closefd=False) as stdin:
            for line in stdin:
                arrived.put(json.loads(line))
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    return arrived.get


def main() -> None:
    """Reads the job and carries it out."""
    messages = int(sys.argv[1])
    os.set_inheritable(messages, False)
    os.dup2(2, 1)

    def send(row: Mapping[str, Any]) -> None:
        line = (dump(row) + "\n").encode()
        try:
            while line:
                line = line[os.write(messages, line) :]
        except BrokenPipeError:  # the parent has died, and this thread saw it before the one that listens
            os.killpg(0, signal.SIGKILL)

    commands = listen()
    job = commands()
    if job["affinity"]:
        os.sched_setaffinity(0, job["affinity"])  # before torch counts the cores
    if job["type"] == "describe":
        describe(job, send)
        send({"type": "done"})
        job = commands()  # the first that is measured, if anything is: else stdin closes
    if job["type"] == "ceilings":
        measure_ceilings(BACKENDS[job["backend"]](job["index"]), send)
    elif job["type"] == "turns":
        take_turns(Job.from_json(job), commands, send)
    else:
        measure(Job.from_json(job), send)
    send({"type": "done"})
    # Whoever started this process ends it now, and all that it has started. Had it left by itself just when
    # the parent died, nobody would end those.
    commands()


if __name__ == "__main__":
    main()
