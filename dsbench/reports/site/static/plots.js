"use strict";
/* Figures: plotly, loaded when the first one is drawn, in the page's colours. */

/* Colours that the colour-blind can tell apart, a grey for the palette's black, which a dark page would swallow.
Source: Okabe and Ito, "Color Universal Design", 2002. A series keeps its colour and symbol by its place. */
const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8C8C8C", "#B8A800"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "star", "pentagon", "triangle-down"];
const DASHES = ["solid", "dash", "dot", "dashdot"];

const colour = (index) => PALETTE[index % PALETTE.length];
const symbol = (index) => SYMBOLS[(index + Math.floor(index / PALETTE.length)) % SYMBOLS.length];
const dash = (index) => DASHES[Math.floor(index / PALETTE.length) % DASHES.length];
/* A series' symbol as a small picture, for a legend. */
function glyph(index) {
  const shapes = {
    circle: "M6 1a5 5 0 1 0 .01 0z", square: "M2 2h8v8h-8z", diamond: "M6 0l6 6-6 6-6-6z", "triangle-up": "M6 1l5 9h-10z", cross: "M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
    star: "M6 0l1.8 4 4.2.4-3.2 2.9 1 4.2-3.8-2.3-3.8 2.3 1-4.2-3.2-2.9 4.2-.4z", pentagon: "M6 0l6 4.5-2.3 7h-7.4l-2.3-7z", "triangle-down": "M6 11l5-9h-10z",
  };
  return svg("svg", { width: 12, height: 12, viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { d: shapes[symbol(index)], fill: colour(index) }));
}

const faint = (hex) => `${hex}33`;

/* plotly reads a little HTML, links among it, in everything that it writes. */
const label = (text, longest = 90) => {
  const short = text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
  return short.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
};

/* Lines of a hover's text. */
const lines = (...parts) => parts.filter(Boolean).map((part) => label(part)).join("<br>");

const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map(); // by element: what was drawn, to draw it again in other colours

let plotly = null;

/* Draws a figure; `wires` connects its events once it is there. */
async function plot(place, data, layout, wires = () => {}) {
  plotly ??= script("plotly.min.js");
  await plotly;
  const first = !drawn.has(place);
  drawn.set(place, { data, layout });
  await Plotly.react(place, data, themed(layout), {
    responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false, doubleClick: "reset",
  });
  if (first) wires(place);
}

dark.addEventListener("change", () => {
  for (const [place, { data, layout }] of drawn) {
    if (place.isConnected) Plotly.react(place, data, themed(layout));
    else drawn.delete(place);
  }
});

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [text, line, panel] = ["--text", "--line", "--panel"].map((name) => style.getPropertyValue(name).trim());
  const axes = Object.fromEntries(Object.entries(layout).filter(([name]) => /^[xy]axis/.test(name))
    .map(([name, axis]) => [name, { automargin: true, zeroline: false, gridcolor: line, linecolor: line, ...axis }]));
  // A finger on a phone scrolls the page.
  const dragmode = matchMedia("(pointer: coarse)").matches ? false : layout.dragmode ?? false;
  return {
    template: {}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest",
    margin: { l: 10, r: 10, t: 24, b: 10 }, showlegend: false,
    ...layout, ...axes, dragmode,
    font: { color: text, family: "system-ui, sans-serif", size: 13 },
    hoverlabel: { bgcolor: panel, bordercolor: line, font: { color: text }, align: "left" },
  };
}

/* The legend below a figure, where it has room on a phone, too. */
const LEGEND = { showlegend: true, legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom" } };

/* An axis for values of a unit with ticks that a person reads. A logarithmic one, which zeros have no place on,
when the values span more than a factor of eight. */
function valueAxis(values, unit, title = "", log = null) {
  const there = values.filter((value) => Number.isFinite(value));
  const above = there.filter((value) => value > 0);
  const named = { title: { text: label(title), standoff: 12 } };
  if (!above.length) return { ...named, rangemode: "tozero" };
  let [low, high] = [Math.min(...above), Math.max(...above)];
  if (log ?? (high / low > 8 && above.length === there.length)) {
    [low, high] = [low / 1.3, high * 1.3];
    const ticks = logTicks(low, high, unit === "B" ? 2 : 10);
    return { ...named, type: "log", range: [Math.log10(low), Math.log10(high)], tickvals: ticks, ticktext: ticks.map((tick) => short(tick, unit)) };
  }
  low = Math.min(...there);
  const least = Math.abs(high) * 0.01 || 1; // what differs by less than this is not blown up
  const room = Math.max((high - low) * 0.08, (least - (high - low)) / 2);
  [low, high] = [low - room, high + room];
  const ticks = linearTicks(low, high, unit);
  return { ...named, type: "linear", range: [low, high], tickvals: ticks, ticktext: tickText(ticks, unit) };
}

function logTicks(low, high, base) {
  const power = (value) => Math.log(value) / Math.log(base);
  const [first, last] = [Math.ceil(power(low)), Math.floor(power(high))];
  const step = Math.max(1, Math.ceil((last - first + 1) / 6));
  let ticks = [];
  for (let at = first; at <= last; at += step) ticks.push(base ** at);
  if (base === 10 && ticks.length < 3) {
    ticks = [];
    for (let at = first - 1; at <= last; at += 1) ticks.push(10 ** at, 2 * 10 ** at, 5 * 10 ** at);
  }
  ticks = ticks.filter((tick) => tick >= low && tick <= high);
  const room = innerWidth < 640 ? 4 : 8;
  return ticks.filter((_, i) => i % Math.ceil(ticks.length / room) === 0);
}

function linearTicks(low, high, unit) {
  const span = high - low || Math.abs(high) || 1;
  const scale = unit === "B" ? BINARY.find(([size]) => Math.abs(high) >= size)?.[0] ?? 1 : 1;
  const rough = span / scale / 5;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= rough) * scale;
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}

/* Ticks as short as they can be told apart. */
function tickText(ticks, unit) {
  const texts = ticks.map((tick) => short(tick, unit));
  if (new Set(texts).size === texts.length) return texts;
  const [scale, prefix] = (PREFIXES[unit] ?? [[1, ""]]).find(([step]) => Math.abs(ticks[ticks.length - 1]) >= step) ?? [1, ""];
  return ticks.map((tick) => `${Number((tick / scale).toPrecision(5))} ${prefix}${unit === "1" ? "" : unit}`.trimEnd());
}

function short(value, unit) {
  const [number, ...rest] = human(value, unit).split(" ");
  const trimmed = number.includes("e") || rest.length === 0 ? number : String(Number(number));
  return [trimmed, ...rest].join(" ");
}

/* Error bars of estimates, the interval's ends as they are. */
function bars(found, shade = "") {
  const below = found.map((one) => (one && one.low !== null ? one.value - one.low : 0));
  const above = found.map((one) => (one && one.high !== null ? one.high - one.value : 0));
  return { type: "data", symmetric: false, array: above, arrayminus: below, thickness: 1, width: 2, ...(shade ? { color: shade } : {}) };
}

/* At most about `most` of some points in order: of each stretch the lowest and the highest, so that no peak is
lost while a long series is moved about. Points outside [from, to] are left out but for one on each side. */
function thinned(points, from, to, most = 1000) {
  let first = points.findIndex((point) => point.x >= from);
  if (first < 0) first = points.length;
  let end = points.findIndex((point) => point.x > to);
  if (end < 0) end = points.length;
  const seen = points.slice(Math.max(0, first - 1), end + 1);
  if (seen.length <= most) return seen;
  const size = Math.ceil(seen.length / (most / 2));
  const kept = [];
  for (let at = 0; at < seen.length; at += size) {
    const some = seen.slice(at, at + size);
    const [low, high] = [some.reduce((a, b) => (b.y < a.y ? b : a)), some.reduce((a, b) => (b.y > a.y ? b : a))];
    kept.push(...(low === high ? [low] : low.x < high.x ? [low, high] : [high, low]));
  }
  return kept;
}
