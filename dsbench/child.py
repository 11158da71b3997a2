"""The parent's side of a worker: starts it, reads its messages, and ends it whatever it does."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from dsbench.records import Status, dump, parse

TAIL = 4000
"""Bytes of what a worker printed that are kept; the rest is read and dropped, so that a flood of
output neither blocks the worker nor fills anything."""

LONGEST_LINE = 64 * 2**20
GRACE = 2.0
"""Seconds between asking a worker to end and ending it."""


class ChildError(Exception):
    """A worker did not finish its job; `status` is what that means for the case it was on."""

    def __init__(self, status: Status, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail


class Child:
    """A worker in a process group of its own; a context manager that leaves nothing running."""

    def __init__(self, job: Mapping[str, Any], paths: Sequence[str] = ()) -> None:
        """Starts a worker with a job; `paths` come before everything else that it imports from."""
        self._oom_kills = _oom_kills()
        inherited = os.environ.get("PYTHONPATH", "")
        reading, writing = os.pipe()
        self._messages = reading
        self.process = subprocess.Popen(
            # The folder that dsbench was called in must not come before the paths (-P).
            [sys.executable, *(["-P"] if paths else []), "-m", "dsbench.worker", str(writing)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (*paths, inherited)))},
            start_new_session=True,  # so that a time-out ends its children too, and Ctrl-C reaches us alone
        )
        os.close(writing)
        self._tail = b""
        self._partial = b""
        self._closed = False
        self.tell(job)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Sends the worker one line."""
        assert self.process.stdin is not None  # asked for above
        with contextlib.suppress(BrokenPipeError):  # it died: messages() finds out
            self.process.stdin.write((dump(message) + "\n").encode())
            self.process.stdin.flush()

    @property
    def tail(self) -> str:
        """The end of what the worker printed."""
        return self._tail.decode(errors="replace")

    def messages(self, timeout: float) -> Iterator[dict[str, Any]]:
        """Yields the worker's messages until it is done.

        Args:
            timeout: wall-clock seconds from one ``start`` or ``turn`` (or from the beginning) to the next.

        Raises:
            ChildError: the worker died, hung, or sent what is no message.
        """
        assert self.process.stdout is not None  # asked for above
        printed = self.process.stdout.fileno()
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._messages, selectors.EVENT_READ)
            selector.register(printed, selectors.EVENT_READ)
            while True:
                ended = self.process.poll() is not None
                events = selector.select(0 if ended else max(0.0, min(0.5, deadline - time.monotonic())))
                for key, _ in events:
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fd)
                    elif key.fd == printed:
                        self._tail = (self._tail + chunk)[-TAIL:]
                    else:
                        for message in self._lines(chunk):
                            if message["type"] == "done":
                                return
                            yield message
                            # From here, since whoever takes turns may come back for more much later.
                            if message["type"] in ("start", "ready", "turn"):
                                deadline = time.monotonic() + timeout
                # A process that it started may hold the pipes open, so its own end is what counts.
                if ended and not events:
                    raise self._death()
                if time.monotonic() > deadline:
                    raise ChildError(Status.TIMEOUT, f"no end after {timeout:g} s (--timeout)", self.tail)

    def _lines(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) > LONGEST_LINE:
            lines.append(self._partial)
        for line in lines:
            try:
                message = parse(line)
                if not isinstance(message, dict) or not isinstance(message.get("type"), str):
                    raise ValueError("not a message")
            except ValueError:
                shown = line[:80].decode(errors="replace")
                reason = f"the worker sent no message but {shown!r}"
                raise ChildError(Status.ERROR, reason, self.tail) from None
            yield message

    def _death(self) -> ChildError:
        code = self.process.returncode
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return ChildError(Status.OOM, "the kernel ended the worker for lack of memory", self.tail)
        if code < 0:
            return ChildError(Status.CRASHED, f"the worker died of {signal.Signals(-code).name}", self.tail)
        last = (self.tail.strip().splitlines() or ["nothing printed"])[-1][:200]
        return ChildError(Status.CRASHED, f"the worker left with exit code {code}: {last}", self.tail)

    def close(self) -> None:
        """Ends the worker and everything in its process group; once it has, does nothing."""
        if self._closed:
            return
        self._closed = True
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)
        self._signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        os.close(self._messages)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _oom_kills() -> int:
    """How many processes the kernel has ended for lack of memory; 0 where it does not say."""
    with contextlib.suppress(OSError), open("/proc/vmstat") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
    return 0
