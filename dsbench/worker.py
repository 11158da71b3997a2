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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsbench.backends import AUTOMATIC, BACKENDS
from dsbench.environment import capture
from dsbench.probes.ceilings import measure_ceilings
from dsbench.records import dump
from dsbench.round import Job, Send, measure


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


def end_with_parent() -> None:
    """Kills this process and all it started once stdin closes, which it does when the parent dies."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Reads the job and carries it out."""
    messages = int(sys.argv[1])
    os.set_inheritable(messages, False)
    os.dup2(2, 1)

    def send(row: Mapping[str, Any]) -> None:
        line = (dump(row) + "\n").encode()
        while line:
            line = line[os.write(messages, line) :]

    job = json.loads(sys.stdin.buffer.readline())
    end_with_parent()
    if job["affinity"]:
        os.sched_setaffinity(0, job["affinity"])  # before torch counts the cores
    if job["type"] == "describe":
        describe(job, send)
    elif job["type"] == "ceilings":
        measure_ceilings(BACKENDS[job["backend"]](job["index"]), send)
    else:
        measure(Job.from_json(job), send)
    send({"type": "done"})
    # Leaving at once spares the interpreter's tear-down, which some device libraries crash in.
    os._exit(0)


if __name__ == "__main__":
    main()
