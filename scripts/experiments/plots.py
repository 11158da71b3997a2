"""Draws the experiments' results as pictures for METHODOLOGY.md and docs.

Needs `pip install kaleido` and a Chromium or Chrome, which plotly draws pictures with.

    python scripts/experiments/plots.py docs/experiments
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

BLUE, ORANGE, GREY, GREEN, PURPLE = "#0072b2", "#d55e00", "#999999", "#009e73", "#cc79a7"


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of an experiment, none when it was not carried out."""
    path = folder / f"{name}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []
    return found


def save(figure: go.Figure, folder: Path, name: str, height: int = 420) -> None:
    """Writes a picture that is readable beside text."""
    figure.update_layout(
        template="plotly_white", width=760, height=height, margin={"l": 70, "r": 20, "t": 50}
    )
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


def ab(folder: Path) -> None:
    """How often each rule calls a side slower, by how much slower it is: a panel a kernel and machine."""
    lines = {
        ("asv compare", "after"): GREY,
        ("pyperf compare_to", "after"): ORANGE,
        ("pytest-benchmark, mean:5%", "after"): GREEN,
        ("U test, all samples", "turns"): PURPLE,
        ("dsbench, screening", "turns"): BLUE,
    }
    # Where streams are too short to be judged one side after the other, their pairs are shuffled.
    found = [
        {**row, "design": "turns" if row["design"] == "shuffled" else row["design"]}
        for row in rows(folder, "ab")
        if row["pairs"] == (12 if row["machine"] == "h200" else 24) and not row["real"]
    ]
    places = sorted({(row["machine"], row["busy"]) for row in found})
    kernels = sorted({row["kernel"] for row in found})
    titles = [f"{kernel}, {m}, {'busy' if b else 'quiet'}" for m, b in places for kernel in kernels]
    figure = make_subplots(
        max(1, len(places)), max(1, len(kernels)), shared_xaxes=True, shared_yaxes=True, subplot_titles=titles
    )
    for at, (machine, busy) in enumerate(places):
        for column, kernel in enumerate(kernels):
            for (rule, design), colour in lines.items():
                wanted = (machine, busy, kernel, rule, design)
                some = [
                    row
                    for row in found
                    if tuple(row[key] for key in ("machine", "busy", "kernel", "rule", "design")) == wanted
                ]
                figure.add_scatter(
                    x=[f"{row['injected']:.0%}" for row in some],
                    y=[100 * row["worse"] / row["comparisons"] for row in some],
                    mode="lines+markers",
                    name=f"{rule}, {'in turns' if design == 'turns' else 'A, then B'}",
                    line={"color": colour},
                    legendgroup=rule,
                    showlegend=(at, column) == (0, 0),
                    row=at + 1,
                    col=column + 1,
                )
    figure.update_layout(
        title="Called slower, in %, by how much the second side is slower (24 pairs; H200: 12)",
        legend={"orientation": "h"},
        title_yref="container",
    )
    figure.update_annotations(font_size=11)
    save(figure, folder, "ab", height=160 + 200 * len(places))


RULES = {
    "dsbench": BLUE,
    "kernel segmentation": "#56b4e9",
    "asv": ORANGE,
    "Otava": "#cc79a7",
    "t > 7 windows": "#009e73",
    "PELT, squared error": GREY,
}
"""Rules for changes in a history, and their colours."""


def change_points(folder: Path) -> None:
    """Share of the changes found by their size, and soon after they came, by rule."""
    path = folder / "change-points.json"
    if not path.exists():
        return
    found = json.loads(path.read_text())
    sizes, soon = go.Figure(), go.Figure()
    for row in found["rows"]:
        if row["kind"] == "all":
            by_step = row["recall_by_step"]
            sizes.add_scatter(
                x=[f"{float(step):.0%}" for step in by_step],
                y=[100 * share for share in by_step.values()],
                mode="lines+markers",
                name=f"{row['rule']}<br>({row['false_per_1000']:.2g} false)",
                line={"color": RULES[row["rule"]]},
            )
    for rule in ("dsbench, newest points", *RULES):
        kinds = [row["told_after"] for row in found["delays"] if (row["rule"], row["step"]) == (rule, 0.05)]
        soon.add_scatter(
            x=list(kinds[0]) if kinds else [],
            y=[100 * fmean(kind[new] for kind in kinds) for new in kinds[0]] if kinds else [],
            mode="lines+markers",
            name=rule,
            line={"color": RULES.get(rule, BLUE), "dash": "solid" if rule in RULES else "dot"},
        )
    sizes.update_xaxes(title="size of the change")
    sizes.update_yaxes(title="found within five points, in %", range=[0, 102])
    sizes.update_layout(title="Changes found, and false ones per 1,000 points")
    soon.update_xaxes(title="points behind the change")
    soon.update_yaxes(title="told, in %", range=[0, 102])
    soon.update_layout(title="A change of 5 %: how soon it is told")
    save(sizes, folder, "change-points")
    save(soon, folder, "change-delays")


TOLD = {
    "sampled": "sampled",
    "max exact mass 0.9": "exact mass, by need",
    "max exact": "exact mass",
    "max mean block 16 rows 1": "blocks of 16, each query",
    "moba, a quarter": "moba",
    "pooled, a quarter": "pooled",
    "window, a quarter": "window",
    "mean antidiagonals of 8 mass 0.95": "antidiagonals of 8",
    "exact top 256": "exact top 256",
    "mean mean, an eighth": "averages, an eighth",
}
"""Configurations of the search that are named in its plot."""


def selectors(folder: Path) -> None:
    """What every configuration of the search keeps of the answers, and which of the keys."""
    for name in ("selectors-1024-cpu", "selectors-8192-cuda"):
        found = rows(folder, name)
        if not found:
            continue
        dense, *others = found
        groups: dict[str, list[dict[str, Any]]] = {
            "meets the target": [],
            "finds numbers as dense does": [],
            "loses some": [],
        }
        for row in others:
            finds = "finds numbers as dense does" if row["worst"] >= dense["worst"] else "loses some"
            groups["meets the target" if row["target"] == "met" else finds].append(row)
        figure = go.Figure()
        for colour, (group, members) in zip((GREEN, BLUE, ORANGE), groups.items(), strict=True):
            figure.add_scatter(
                x=[100 * row["keys"] for row in members],
                y=[100 * row["greedy"] for row in members],
                text=[TOLD.get(row["configuration"], "") for row in members],
                mode="markers+text",
                textposition="top left" if colour == GREEN else "middle right",
                textfont={"size": 11},
                name=group,
                marker={"color": colour, "size": 8},
            )
        figure.add_scatter(
            x=[0, 25, 25], y=[95, 95, 100], mode="lines", name="wanted", line={"color": GREY, "dash": "dash"}
        )
        figure.update_xaxes(title="pairs of a query and a key that are kept, in %")
        figure.update_yaxes(title="greedy agreement with dense attention, in %", range=[78, 98])
        figure.update_layout(
            title=f"Selectors at {name.split('-')[1]} tokens", legend={"orientation": "h", "y": -0.2}
        )
        save(figure, folder, name, height=520)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for draw in (truth, agreement, coverage, ab, change_points, selectors):
        draw(place)
