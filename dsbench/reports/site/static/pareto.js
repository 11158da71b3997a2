"use strict";
/* Speed against the accuracy that a technique keeps: who is beaten by nobody on both? */

const QUALITY = ["error", "sqnr", "accuracy", "retention"]; // probes that say how right an answer is

page(async (current) => {
  const all = await runs();
  const place = placeWith("latency", all);
  const latency = all.metric.get("latency");
  const looked = await lookedAt(place, [latency.probe, ...QUALITY], all);
  const both = new Map(); // the cases that have a latency and this accuracy
  for (const metric of all.metrics.filter((one) => QUALITY.includes(one.probe))) both.set(metric, await newestWith(looked, [latency, metric], place, all));
  if (!current()) return;
  const qualities = [...both.keys()].filter((metric) => both.get(metric).length);
  const quality = qualities.find((metric) => metric.name === state.get("metric")) ?? qualities[0];
  lead("Each mark is a technique: further left is faster, and the line joins those that no other beats on both. Hover names the configuration.");
  if (!quality) return show("body", el("div", { class: "filters" }, placeAndRun(place, all)), el("p", { class: "calm" }, "Here is no case with both a latency and an accuracy: a benchmark that declares the probe error, or another of accuracy, gives one."));
  const cases = both.get(quality);
  const benchmarks = distinct(cases.map((one) => `${one.suite}.${one.benchmark}`));
  // To begin with, the one that compares most techniques.
  const techniques = (name) => distinct(cases.filter((one) => `${one.suite}.${one.benchmark}` === name).map((one) => one.candidate)).length;
  const richest = benchmarks.reduce((best, name) => (techniques(name) > techniques(best) ? name : best), benchmarks[0]);
  const benchmark = benchmarks.includes(state.get("benchmark")) ? state.get("benchmark") : richest;
  const here = cases.filter((one) => `${one.suite}.${one.benchmark}` === benchmark);
  const axes = axesOf(here);
  const wanted = axes.map(([axis]) => [axis, state.get(`at.${axis}`)]).filter(([, value]) => value);
  const seen = here.filter((one) => wanted.every(([axis, value]) => String(one.point[axis]) === value));
  const order = (one) => axes.map(([axis, values]) => values.indexOf(one.point[axis]));
  const points = [...new Set(seen.map((one) => one.at))].map((at) => seen.filter((one) => one.at === at));
  points.sort(([a], [b]) => order(a).map((place, i) => place - order(b)[i]).find((step) => step) ?? 0);
  const figures = el("div", { class: "plots" });
  show("body", el("div", { class: "filters" }, placeAndRun(place, all),
    benchmarks.length > 1 ? choice("benchmark", "benchmark", benchmarks, benchmark) : null,
    qualities.length > 1 ? choice("metric", "accuracy", qualities.map((m) => [m.name, words(m.name)]), quality.name) : null,
    axes.map(([axis, values]) => choice(`at.${axis}`, axis, [["", "all"], ...values], state.get(`at.${axis}`)))),
  el("p", { class: "quiet" }, `${words(quality.name)}: ${quality.meaning} (${quality.direction} is better), on ${place.device}.`), sources([...new Set(seen.map((one) => one.run))]),
  key(candidatesOf(here)), figures);
  const names = candidatesOf(here);
  const places = points.map(([one]) => figure(figures, isolated(axes.map(([axis]) => `${axis}=${one.point[axis]}`).join(", ") || one.benchmark)));
  for (const [i, some] of points.entries()) await draw(places[i], some, names, quality, latency);
});

/* Those that no other one beats on both; of equals all. */
function frontier(cases, quality, latency) {
  const sign = quality.direction === "lower" ? 1 : -1;
  const cost = (one) => [one.metrics.get(latency.number).value, sign * one.metrics.get(quality.number).value];
  return cases.filter((one) => {
    const [time, loss] = cost(one);
    return !cases.some((other) => { const [t, l] = cost(other); return t <= time && l <= loss && (t < time || l < loss); });
  }).sort((a, b) => cost(a)[0] - cost(b)[0]);
}

async function draw(there, cases, names, quality, latency) {
  const value = (one, metric) => one.metrics.get(metric.number);
  const best = frontier(cases, quality, latency);
  const spans = (some, metric) => some.flatMap((one) => [value(one, metric).value, value(one, metric).low, value(one, metric).high]);
  const axis = valueAxis(spans(cases, quality), quality.unit, words(quality.name));
  const floor = axis.type === "log" ? 10 ** axis.range[0] : -Infinity;
  const y = (one) => Math.max(value(one, quality).value, floor);
  await plot(there, [
    { type: "scatter", mode: "lines", x: best.map((one) => value(one, latency).value), y: best.map(y), line: { color: "#8C8C8C", width: 1.5, dash: "dot", shape: "hv" }, hoverinfo: "skip" },
    ...cases.map((one) => {
      const i = names.indexOf(one.candidate);
      return { type: "scatter", mode: "markers", x: [value(one, latency).value], y: [y(one)], error_x: bars([value(one, latency)]), hoverinfo: "text",
        marker: { size: best.includes(one) ? 12 : 8, color: colour(i), symbol: symbol(i) },
        hovertext: [lines(one.candidate, one.at, `${words(latency.name)} ${estimate(value(one, latency), latency.unit)}`, `${words(quality.name)} ${estimate(value(one, quality), quality.unit)}`, best.includes(one) ? "on the frontier" : "", when(one.run))] };
    }),
  ], { height: 320, xaxis: valueAxis(spans(cases, latency), latency.unit, words(latency.name)), yaxis: axis });
}
