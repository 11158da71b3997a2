"""What tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result
from conftest import SUITES

Dsbench = Callable[..., Result]
Commit = Callable[[str], str]

STEADY, FAULTS, BROKEN = (("--suites", SUITES / name) for name in ("steady", "faults", "broken"))
FAKE = ("--backend", "fake", "--min-time", "0.001", "--timeout", "20")
