"""Figures of a benchmark: latency and memory against its main axis, and error against latency.

Backgrounds are transparent and text has no colour of its own, so that the page they lie on decides.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dsbench.metrics import METRICS
from dsbench.reports import units
from dsbench.reports.plain import clean, shorten
from dsbench.reports.rows import Group, Row, at
from dsbench.stats.intervals import Estimate

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8C8C8C", "#F0E442")
"""Colours that the colour-blind can tell apart, the palest last; a grey stands for the palette's black,
which a dark page would swallow. Source: Okabe and Ito, "Color Universal Design", 2002."""

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x", "triangle-down")
_DASHES = ("solid", "dash", "dot", "dashdot")
_TICKS = 6


@dataclass(frozen=True)
class Figure:
    """A plotly figure and what it shows, such as ``latency at D=64``."""

    title: str
    figure: go.Figure


def figures(group: Group) -> list[Figure]:
    """The figures of a benchmark for each combination of its axes but the main one; axes with a single
    value go unmentioned, and figures with fewer than two numbers are left out.

    A candidate keeps its colour and marker in all of them, by its place in the benchmark.
    """
    axis = main_axis(group)
    values = {item for row in group.rows for item in row.case.point}
    varying = {name for name, count in Counter(name for name, _ in values).items() if count > 1}
    together: dict[str, list[Row]] = {}
    for row in group.rows:
        rest = {name: value for name, value in row.case.point if name in varying - {axis}}
        together.setdefault(at(rest), []).append(row)
    drawn: list[Figure] = []
    for point, rows in together.items():
        suffix = f" at {point}" if point else ""
        drawn += [
            Figure(_words(metric) + suffix, _against_axis(group, rows, axis, metric))
            for metric in ("latency", "peak_memory")
            if _enough(rows, metric)
        ]
        if _enough(rows, "latency", "error"):
            drawn.append(Figure(f"error against latency{suffix}", _speed_against_error(group, rows)))
    return drawn


def _enough(rows: Iterable[Row], *metrics: str) -> bool:
    return sum(all(metric in row.metrics for metric in metrics) for row in rows) > 1


def main_axis(group: Group) -> str | None:
    """The numeric axis with the most values, the first of equals; None when none has two."""
    values: dict[str, set[float]] = {}
    for row in group.rows:
        for axis, value in row.case.at.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values.setdefault(axis, set()).add(value)
    longest = max(values, key=lambda axis: len(values[axis]), default=None)
    return longest if longest is not None and len(values[longest]) > 1 else None


def _against_axis(group: Group, rows: Sequence[Row], axis: str | None, metric: str) -> go.Figure:
    if axis is None:  # a point a candidate, side by side
        return _figure(
            group,
            rows,
            x=lambda row: _label(row.case.candidate),
            y=metric,
            xaxis={"type": "category", "title": _title("candidate")},
        )
    places = sorted({float(row.case.at[axis]) for row in rows})
    labelled = places[:: -math.ceil(len(places) / _TICKS)]
    return _figure(
        group,
        rows,
        x=lambda row: float(row.case.at[axis]),
        y=metric,
        xaxis={
            "type": "log" if places[0] > 0 else "linear",
            "title": _title(_label(axis)),
            "tickvals": labelled,
            "ticktext": [f"{place:.0f}" if place.is_integer() else f"{place:g}" for place in labelled],
        },
    )


def _speed_against_error(group: Group, rows: Sequence[Row]) -> go.Figure:
    both = [row for row in rows if "latency" in row.metrics and "error" in row.metrics]
    return _figure(
        group, both, x=lambda row: row.metrics["latency"].value, y="error", xaxis=_axis(both, "latency")
    )


def _figure(
    group: Group, rows: Sequence[Row], x: Callable[[Row], Any], y: str, xaxis: dict[str, Any]
) -> go.Figure:
    yaxis = _axis(rows, y)
    # On a phone the legend has a line a candidate, and the figure should not shrink for it.
    height = 300 + 22 * len(group.candidates)
    axes = {"xaxis": {**_AXIS, **xaxis}, "yaxis": {**_AXIS, **yaxis}}
    figure = go.Figure(layout={**_LAYOUT, **axes, "height": height})
    floor = 10 ** yaxis["range"][0] if yaxis["type"] == "log" else -math.inf
    for index, candidate in enumerate(group.candidates):
        found = [row for row in rows if row.case.candidate == candidate]
        values = [row.metrics.get(y) for row in found]
        if not any(values):
            continue
        lap, place = divmod(index, len(PALETTE))
        colour = PALETTE[place]
        figure.add_scatter(
            x=[x(row) for row in found],
            y=[None if value is None else max(value.value, floor) for value in values],
            connectgaps=False,
            error_y=_error_bars(values),
            name=_label(candidate),
            mode="lines+markers",
            line={"width": 2, "color": colour, "dash": _DASHES[lap % len(_DASHES)]},
            marker={"size": 8, "color": colour, "symbol": _SYMBOLS[(index + lap) % len(_SYMBOLS)]},
            hovertext=[_hover(row, y) for row in found],
            hoverinfo="text",
        )
    return figure


def _axis(rows: Iterable[Row], metric: str) -> dict[str, Any]:
    """A logarithmic axis with ticks in the metric's unit; zeros, which it cannot show, lie on its edge.
    A linear one when there is nothing above zero."""
    unit = METRICS[metric].unit
    ends = [
        end
        for row in rows
        if (found := row.metrics.get(metric)) is not None
        for end in (found.value, found.low, found.high)
        if end is not None and end > 0
    ]
    title = _title(_words(metric))
    if not ends:
        return {"type": "linear", "title": title, "rangemode": "tozero"}
    low, high = min(ends) / 1.3, max(ends) * 1.3
    ticks = _ticks(low, high, base=2 if unit == "B" else 10)
    return {
        "type": "log",
        "title": title,
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [_short(tick, unit) for tick in ticks],
    }


def _ticks(low: float, high: float, base: int) -> list[float]:
    first, last = math.ceil(math.log(low, base)), math.floor(math.log(high, base))
    step = max(1, math.ceil((last - first + 1) / _TICKS))
    ticks = [float(base) ** power for power in range(first, last + 1, step)]
    if base == 10 and len(ticks) < 3:
        ticks = [m * 10.0**power for power in range(first - 1, last + 1) for m in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]


def _error_bars(values: Iterable[Estimate | None]) -> dict[str, Any]:
    spans = [
        (0.0, 0.0)
        if found is None or found.low is None or found.high is None
        else (found.value - found.low, found.high - found.value)
        for found in values
    ]
    return {
        "type": "data",
        "symmetric": False,
        "arrayminus": [below for below, _ in spans],
        "array": [above for _, above in spans],
        "thickness": 1,
        "width": 3,
    }


def _hover(row: Row, metric: str) -> str:
    shown = dict.fromkeys(("latency", metric))
    numbers = [
        f"{_words(name)} {units.estimate(row.metrics[name], METRICS[name].unit)}"
        for name in shown
        if name in row.metrics
    ]
    return "<br>".join([_label(row.case.candidate), _label(at(row.case.at)), *numbers])


def _label(text: str) -> str:
    # plotly reads a little HTML, links among it, in everything that it writes.
    return html.escape(shorten(clean(text), 40))


def _short(value: float, unit: str) -> str:
    number, _, prefixed = units.human(value, unit).partition(" ")
    return f"{float(number):g} {prefixed}".rstrip()


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 12}


def _words(metric: str) -> str:
    return metric.replace("_", " ")


_AXIS = {"automargin": True, "showline": False, "zeroline": False}
_LAYOUT = {
    # The default template is 6 kB of colours in each figure, of which none is wanted here.
    "template": go.layout.Template(),
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
    "showlegend": True,
    "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
    "hovermode": "closest",
    "dragmode": False,  # a finger on a phone scrolls the page
}
