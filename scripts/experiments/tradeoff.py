"""Speed of attention against each of what a trained model keeps by it: who is beaten by none?

Reads recorded runs of one device that have the suites `attention` and `retention`. At 4,096 tokens the
methods of both keep about a quarter of the keys, `block_topk_eighth` an eighth and `sampled` a third; time is
that of one layer's attention, selecting included, over the default dense kernel's of the same run.

    python scripts/experiments/tradeoff.py results/h200/[0-9]*.jsonl docs/experiments
"""

from __future__ import annotations

import sys
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from plots import BLUE, GREY, save

from dsbench.metrics import evaluate
from dsbench.records import Run

N = 4096
TIMED = {
    **{name: name for name in ("pooled", "sampled", "moba", "nsa", "quest", "dsa", "top_p", "window")},
    "block_topk": "block_fixed",
    "block_topk_eighth": "block_topk",
    "dense": "sdpa",
}
"""The candidate of `attention.prefill` that keeps as much as one of `retention.smollm2`."""

KEPT = {
    "perplexity_ratio": "dense perplexity over its own, in %",
    "accuracy_kept": "accuracy kept, in %",
    "greedy_agreement": "greedy agreement, in %",
    "passkey": "digits found, in %",
}


def main() -> None:
    *paths, folder = map(Path, sys.argv[1:])
    faster: dict[str, float] = {}
    kept: dict[str, dict[str, float]] = {}
    for path in paths:
        time: dict[str, float] = {}
        for one in Run.from_lines(path.read_text().splitlines()).measurements:
            if one.case.at.get("N") != N or one.case.at.get("D", 64) != 64 or not one.status.has_numbers:
                continue
            numbers = {name: number.value for name, number in evaluate(one).items()}
            if one.probe == "retention" and one.case.benchmark == "smollm2":
                kept[one.case.candidate] = numbers
            if one.probe == "latency" and one.case.benchmark == "prefill":
                time[one.case.candidate] = numbers["latency"]
        faster |= {name: time["sdpa"] / taken for name, taken in time.items()}
    figure = make_subplots(rows=2, cols=2, subplot_titles=list(KEPT.values()), vertical_spacing=0.16)
    for place, metric in enumerate(KEPT):
        points = [
            (faster[timed], 100 * (kept[name][metric] ** (-1 if "ratio" in metric else 1)), name)
            for name, timed in TIMED.items()
        ]
        best = [p for p in points if not any(o[0] >= p[0] and o[1] >= p[1] and o != p for o in points)]
        where = {"row": place // 2 + 1, "col": place % 2 + 1}
        for colour, chosen in ((BLUE, best), (GREY, [p for p in points if p not in best])):
            times, score, names = zip(*sorted(chosen), strict=True)
            figure.add_trace(
                go.Scatter(
                    x=times,
                    y=score,
                    text=names,
                    mode="lines+markers+text" if colour == BLUE else "markers+text",
                    textposition="top left" if colour == BLUE else "bottom right",
                    textfont={"size": 10},
                    marker={"color": colour, "size": 8},
                    showlegend=False,
                ),
                **where,
            )
        print(metric, "best:", *(name for _, _, name in sorted(best)))
    figure.update_xaxes(type="log", title="times as fast as dense")
    figure.update_layout(title=f"One H200, {N:,} tokens: speed against what SmolLM2-135M keeps")
    save(figure, folder, f"tradeoff-{N}-cuda", height=760)


if __name__ == "__main__":
    main()
