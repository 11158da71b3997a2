"""Plain text for a terminal: clean, shortened, aligned, and the same when it is piped."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size


def clean(text: str) -> str:
    """One line without control and direction characters, which would move the cursor, reorder the
    line or end it: blanks stand for line ends and tabs, escapes such as ``\\u202e`` for the others."""
    if not text.isprintable():
        text = "".join(_visible(character) for character in text)
    return text.strip()


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    category = unicodedata.category(character)
    if character in "\t\n\r" or category.startswith("Z"):
        return " "
    return character.encode("unicode_escape").decode("ascii")


def shorten(text: str, width: int) -> str:
    """The text in at most `width` columns; an ellipsis stands for what was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def align(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None, left: int = 1
) -> list[str]:
    """Lines of aligned cells, the header's first.

    Args:
        header: the columns' titles.
        rows: the cells; a row with fewer cells than the header lets its last one run on to the edge.
        width: the columns of a line: the first cells and those that run on are shortened to stay
            within; nothing is without one.
        left: how many of the columns are aligned to the left; the others to the right.
    """
    widths = [max(cell_len(cell) for cell in column) for column in _columns(header, rows)]
    if width is not None:
        excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        widths[0] = max(widths[0] - max(excess, 0), min(widths[0], _NARROWEST))
    return [_line(row, widths, width, left) for row in (header, *rows)]


_GAP = "  "
_NARROWEST = 12


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    # The cell that runs on does not widen its column.
    return [
        [title, *(row[index] for row in rows if index < len(row) - (len(row) < len(header)))]
        for index, title in enumerate(header)
    ]


def _line(row: Sequence[str], widths: Sequence[int], width: int | None, left: int) -> str:
    cells: list[str] = []
    for index, cell in enumerate(row):
        if index == len(row) - 1 < len(widths) - 1:
            room = None if width is None else width - sum(widths[:index]) - len(_GAP) * index
            cells.append(cell if room is None else shorten(cell, room))
            continue
        text = shorten(cell, widths[index])
        padding = " " * (widths[index] - cell_len(text))
        cells.append(text + padding if index < left else padding + text)
    return _GAP.join(cells).rstrip()
