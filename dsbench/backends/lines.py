"""Which line of the user's own code a stack of calls leads to."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_SUITES = str(_PACKAGE / "builtin_suites")
_LIBRARIES = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_INSTALLED = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))

ELSEWHERE = "no line of Python (a thread of the library's own)"

Frame = tuple[str, int]
"""A file and a line's number."""


def blamed(frames: Iterable[Frame]) -> str:
    """The innermost line that is neither dsbench's, torch's nor the standard library's, such as
    ``train.py:31``; the innermost of all when there is none.

    Args:
        frames: innermost first.
    """
    stack = list(frames)
    chosen = next((frame for frame in stack if _own(frame[0])), next(iter(stack), None))
    if chosen is None:
        return ELSEWHERE
    return f"{_short(chosen[0])}:{chosen[1]}"


def line_here() -> str:
    """The line that is being carried out now, as `blamed` has it."""
    frame, stack = sys._getframe(1), []
    while frame is not None:
        stack.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back  # type: ignore[assignment]  # the last one has none
    return blamed(stack)


def _own(name: str) -> bool:
    if not name or name.startswith("<"):
        return False
    if name.startswith(str(_PACKAGE)):
        return name.startswith(_SUITES)
    if name.startswith(_INSTALLED):
        return not any(name.startswith(str(Path(place, "torch"))) for place in _INSTALLED)
    return not name.startswith(_LIBRARIES)


def _short(name: str) -> str:
    """The path as it is seen from the working folder, where it lies below it."""
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
