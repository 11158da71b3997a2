"""Draws the experiments' results as pictures for METHODOLOGY.md.

Needs `pip install kaleido` and a Chromium or Chrome, which plotly draws pictures with.

    python scripts/experiments/plots.py docs/experiments
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#999999"


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of an experiment, none when it was not carried out."""
    path = folder / f"{name}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []
    return found


def save(figure: go.Figure, folder: Path, name: str) -> None:
    """Writes a picture that is readable beside text."""
    figure.update_layout(template="plotly_white", width=760, height=420, margin={"l": 70, "r": 20, "t": 50})
    figure.write_image(folder / f"{name}.svg")
    print(folder / f"{name}.svg")


def truth(folder: Path) -> None:
    """How far the reported length of a call of known length is from the truth."""
    figure = go.Figure()
    for backend, colour, name in (("cpu", BLUE, "CPU, a spin"), ("cuda", ORANGE, "H200, a counting kernel")):
        found = rows(folder, f"truth-{backend}")
        figure.add_scatter(
            x=[row["truth_us"] for row in found],
            y=[row["worst_error_percent"] for row in found],
            mode="lines+markers",
            name=name,
            line={"color": colour},
        )
    figure.add_scatter(
        x=[10, 100, 100, 50_000],
        y=[5, 5, 1, 1],
        mode="lines",
        name="bound",
        line={"color": GREY, "dash": "dash"},
    )
    figure.update_xaxes(type="log", title="true length in µs")
    figure.update_yaxes(title="error of the reported median in %")
    figure.update_layout(title="Known truth: worst of five measurements")
    save(figure, folder, "truth")


def agreement(folder: Path) -> None:
    """How far dsbench and an independent timer are apart, by operator."""
    figure = go.Figure()
    for backend, reading, colour, name in (
        ("cpu", "latency", BLUE, "CPU, warm: torch Timer"),
        ("cuda", "latency", ORANGE, "H200, warm: graph replay"),
        ("cuda", "latency_cold", GREY, "H200, cold: do_bench"),
    ):
        found = [row for row in rows(folder, f"agreement-{backend}") if row["reading"] == reading]
        figure.add_scatter(
            x=[row["operator"] for row in found],
            y=[max(-25, min(25, row["difference_percent"])) for row in found],
            mode="markers",
            name=name,
            marker={"color": colour, "size": 10},
        )
    figure.add_hrect(y0=-3, y1=3, fillcolor=GREY, opacity=0.2, line_width=0)
    figure.update_yaxes(title="dsbench over the other, in %, cut at ±25")
    figure.update_layout(title="Agreement with independent timers; the band is ±3 %")
    save(figure, folder, "agreement")


def coverage(folder: Path) -> None:
    """How often the stated interval held the long-run value, by device and neighbour."""
    figure = go.Figure()
    series = {"rounds in a row": ORANGE, "rounds by lot": BLUE}
    for (name, colour), by_lot in zip(series.items(), (False, True), strict=True):
        shares = {}
        for backend, device in (("cpu", "CPU"), ("cuda", "H200")):
            for neighbour in ("off", "on"):
                for row in rows(folder, f"coverage-neighbour-{neighbour}-{backend}"):
                    share = row.get("by_lot_percent") if by_lot else 100 * row["held"] / row["measurements"]
                    if row["operator"] == "all" and share is not None:
                        shares[f"{device}, neighbour {neighbour}, {row['reading']}"] = share
        figure.add_scatter(
            x=list(shares.values()),
            y=list(shares),
            mode="markers",
            name=name,
            marker={"color": colour, "size": 10},
        )
    figure.add_vrect(x0=93, x1=97, fillcolor=GREY, opacity=0.2, line_width=0)
    figure.update_xaxes(title="intervals that hold the long-run value, in %")
    figure.update_layout(title="Coverage of the stated 95 % interval; the band is 93–97 %", margin={"l": 230})
    save(figure, folder, "coverage")


def selectors(folder: Path) -> None:
    """What every configuration of the search keeps and what it pays for that, and which are best."""
    for path in sorted(folder.glob("selectors-*-*.json")):
        found: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
        kept = sorted((row for row in found if row["keys"] < 1), key=lambda row: (row["keys"], row["ppl"]))
        best = [
            row for n, row in enumerate(kept) if row["ppl"] < min((r["ppl"] for r in kept[:n]), default=9)
        ]
        figure = go.Figure()
        for name, colour, wanted in (("finds every number", BLUE, True), ("loses some", ORANGE, False)):
            members = [row for row in kept if (row["worst"] >= found[0]["worst"]) == wanted]
            figure.add_scatter(
                x=[100 * row["keys"] for row in members],
                y=[row["ppl"] for row in members],
                text=[row["configuration"] if row in best else "" for row in members],
                mode="markers+text",
                textposition="top right",
                name=name,
                marker={"color": colour, "size": 9},
            )
        figure.add_scatter(
            x=[100 * row["keys"] for row in best],
            y=[row["ppl"] for row in best],
            mode="lines",
            name="nothing is better in both",
            line={"color": GREY, "dash": "dash"},
        )
        figure.update_xaxes(title="pairs of a query and a key that are kept, in %")
        figure.update_yaxes(type="log", title="perplexity over dense attention's")
        figure.update_layout(title=f"Selectors at {path.stem.split('-')[1]} tokens")
        save(figure, folder, path.stem)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for draw in (truth, agreement, coverage, selectors):
        draw(place)
