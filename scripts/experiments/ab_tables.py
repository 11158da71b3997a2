"""Prints the figures of `replay.py` as the tables of docs/ab.md.

python scripts/experiments/ab_tables.py docs/experiments/ab.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
NEIGHBOUR = {False: "quiet", True: "busy"}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints Markdown."""
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join("---" for _ in columns) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def share(row: Row, of: str, all_of: str) -> str:
    """Percent, with as many digits as the number of comparisons carries."""
    percent = 100 * row[of] / row[all_of]
    return f"{percent:.2f}" if row[all_of] >= 5000 and percent < 10 else f"{percent:.0f}"


def cells(rows: Iterable[Row]) -> list[tuple[str, bool]]:
    """Machines, quiet and busy."""
    return sorted({(row["machine"], row["busy"]) for row in rows})


def origin(found: list[Row]) -> None:
    print("## What was recorded\n")
    columns = ["machine", "neighbour", "kernel", "second side does", "streams", "pairs", "s a pair"]
    rows = [
        [
            *(row["machine"], NEIGHBOUR[row["busy"]], row["kernel"]),
            f"{row['real']:.1%} more" if row["real"] else "the same",
            *(str(row["streams"]), str(row["pairs"]), seconds),
            *(f"{row['slower_percent']:+.2f} %", processor, f"{row['scatter_percent']:.2f} %"),
        ]
        for row in sorted(found, key=lambda r: (r["machine"], r["busy"], r["kernel"], r["real"]))
        for seconds in [f"{row['seconds_a_pair']:.2f}" if row["seconds_a_pair"] else "–"]
        for told in [row["slower_by_processor_percent"]]
        for processor in ["–" if told is None else f"{told:+.2f} %"]
    ]
    table([*columns, "takes longer by", "in processor time", "scatter of pairs"], rows)


def curve(some: list[Row], of: str, all_of: str) -> str:
    """Shares by how much slower the second side is, such as 0/1/50/100/100."""
    return "/".join(share(row, of, all_of) for row in sorted(some, key=lambda row: row["injected"])) or "–"


def rules(found: list[Row], machine: str, busy: bool) -> None:
    here = [row for row in found if (row["machine"], row["busy"]) == (machine, busy)]
    kernels = sorted({(row["kernel"], row["real"]) for row in here})
    names = [f"{kernel}, {real:.1%} for real" if real else kernel for kernel, real in kernels]
    print(f"### {machine}, {NEIGHBOUR[busy]}\n")
    lines = []
    for design, title in (("after", "A, then B"), ("turns", "in turns"), ("shuffled", "in turns, any pairs")):
        for rule in dict.fromkeys(row["rule"] for row in here if row["design"] == design):
            for pairs in sorted({row["pairs"] for row in here}):
                wanted = (design, rule, pairs)
                mine = [row for row in here if (row["design"], row["rule"], row["pairs"]) == wanted]
                by_kernel = [
                    [row for row in mine if (row["kernel"], row["real"]) == kernel] for kernel in kernels
                ]
                # Peers are shown with as much time as dsbench takes at most.
                if pairs == max(row["pairs"] for row in here) or rule.startswith("dsbench"):
                    told = [curve(some, "worse", "comparisons") for some in by_kernel]
                    if set(told) != {"–"}:
                        lines.append([title, rule, str(pairs), *told])
    table(["design", "rule", "pairs", *names], lines)


def draws(found: list[Row]) -> None:
    print("## dsbench alone, pairs in any order\n")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in found:
        key = (row["machine"], row["busy"], row["kernel"], row["real"], row["clock"])
        groups.setdefault(key, []).append(row)
    rows = [
        [
            *(machine, NEIGHBOUR[busy], f"{kernel}, {real:.1%} for real" if real else kernel, clock),
            *(curve(some, what, "draws") for what in ("same", "alarms with 12 pairs", "alarms", "confirmed")),
        ]
        for (machine, busy, kernel, real, clock), some in sorted(groups.items())
    ]
    table(["machine", "neighbour", "kernel", "clock", "same", "12 pairs", "24 pairs", "confirmed"], rows)
    for clock in sorted({row["clock"] for row in found}):
        nothing = [row for row in found if row["clock"] == clock and not row["real"] + row["injected"]]
        of = sum(row["draws"] for row in nothing)
        alarms, confirmed = (sum(row[what] for row in nothing) for what in ("alarms", "confirmed"))
        print(f"Nothing slower, {clock} clock: {alarms} alarms, {confirmed} confirmed, of {of}.\n")


def main() -> None:
    result = json.loads(Path(sys.argv[1]).read_text())
    origin(result["recorded"])
    for machine, busy in cells(result["rows"]):
        rules(result["rows"], machine, busy)
    draws(result["draws"])


if __name__ == "__main__":
    main()
