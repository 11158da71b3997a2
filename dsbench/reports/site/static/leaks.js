"use strict";
/* Does a process hold more after every step, where was it allocated, and how much does a call hold at most? */

page(async (current) => {
  const all = await runs();
  const place = placeWith("leak", all);
  const looked = await lookedAt(place, ["leak", "memory"], all);
  const slope = all.metrics.find((metric) => metric.probe === "leak" && metric.unit.startsWith("B"));
  const measured = await withSamples(newestOf(looked, "leak"));
  if (!current()) return;
  const leaks = slope ? measured.filter((one) => one.metrics.has(slope.number)) : [];
  lead("What a process holds after every step, and what a call holds at most.");
  const cones = el("div", { class: "plots" });
  const peaks = el("div", { class: "plots" });
  show("body", el("div", { class: "filters" }, placeAndRun(place, all)),
    el("h2", {}, "Leaks"), leaks.length ? [cones, listing(leaks, slope)] : el("p", { class: "calm" }, "Here is no leak measurement: benchmarks that declare the probe leak give one."),
    measured.filter((one) => !leaks.includes(one)).map((one) => el("p", {}, badge(one.status), " ", isolated(one.name), ": ", isolated(one.reason))),
    el("h2", {}, "Memory"), peaks);
  const places = leaks.map((one) => figure(cones, [badge(verdict(one)), isolated(one.name)], origins(one).slice(0, 1).map((line) => el("p", {}, "allocated at ", el("code", {}, line)))));
  for (const [i, one] of leaks.entries()) await growth(places[i], one, slope);
  await memory(peaks, newestOf(looked, "memory"), all);
});

const origins = (one) => Object.entries(one.notes).filter(([name]) => name.startsWith("leak_at")).map(([, line]) => String(line));
const verdict = (one) => String(one.notes.verdict ?? one.status);

function listing(leaks, slope) {
  const sorted = leaks.toSorted((a, b) => b.metrics.get(slope.number).value - a.metrics.get(slope.number).value);
  return table(["case", "verdict", "#growth a step", "#budget", "allocated at", "commit"], sorted.map((one) => [
    el("a", { href: state.link("case", { case: one.id, metric: slope.name }) }, isolated(one.name)), badge(verdict(one)),
    estimate(one.metrics.get(slope.number), slope.unit), human(one.notes.budget, slope.unit),
    origins(one).map((line) => el("div", {}, el("code", {}, line))), commitLabel(one.run)]), "Leaks");
}

/* The growth as measured where a probe kept its readings, and the slope with its interval over the steps. */
async function growth(there, one, slope) {
  const found = one.metrics.get(slope.number);
  const steps = Number(one.notes.steps) || 100;
  const [low, high] = [found.low ?? found.value, found.high ?? found.value];
  const curves = Object.entries(one.readings).filter(([name, rows]) => name !== slope.name && rows.length > 5);
  const cone = { type: "scatter", mode: "none", fill: "toself", fillcolor: faint(colour(0)), hoverinfo: "skip", showlegend: false, x: [0, steps, steps, 0], y: [0, steps * high, steps * low, 0] };
  const line = { type: "scatter", mode: "lines", x: [0, steps], y: [0, steps * found.value], line: { color: colour(0), width: 2 }, hoverinfo: "text", hovertext: lines(estimate(found, slope.unit), when(one.run)), name: "slope with its interval" };
  const measured = curves.map(([name, rows], i) => ({ type: "scatter", mode: "lines+markers", name: label(words(name)), x: rows.map((_, at) => ((at + 1) * steps) / rows.length), y: rows.map(([value]) => value - rows[0][0]), line: { color: colour(i + 1), width: 1 }, hoverinfo: "text", hovertext: rows.map(([value]) => lines(words(name), human(value, "B"))) }));
  const ends = [0, steps * low, steps * high, steps * found.value, ...measured.flatMap((curve) => curve.y)];
  await plot(there, [cone, line, ...measured], { height: 260, ...(curves.length ? LEGEND : {}), xaxis: { title: { text: "steps", standoff: 8 }, rangemode: "tozero" }, yaxis: valueAxis(ends, "B", "held more than at first", false) });
}

/* Peak memory against the longest numeric axis, a figure a benchmark. */
async function memory(into, measured, all) {
  const peak = all.metric.get("peak_memory");
  const cases = byCase(measured).filter((one) => peak && one.metrics.has(peak.number));
  if (!cases.length) return show(into, el("p", { class: "calm" }, "Here is no memory measurement: benchmarks that declare the probe memory give one, where the device counts its memory."));
  into.before(sources([...new Set(cases.map((one) => one.run))]));
  const waiting = [];
  for (const benchmark of distinct(cases.map((one) => `${one.suite}.${one.benchmark}`))) {
    const here = cases.filter((one) => `${one.suite}.${one.benchmark}` === benchmark);
    const names = candidatesOf(here);
    const axes = axesOf(here);
    const main = axes.filter(([, values]) => values.every((value) => typeof value === "number")).toSorted((a, b) => b[1].length - a[1].length)[0]?.[0];
    const rest = (one) => axes.filter(([axis]) => axis !== main).map(([axis]) => `${axis}=${one.point[axis]}`).join(", ");
    for (const other of new Set(here.map(rest))) {
      const there = figure(into, isolated([benchmark, other].filter(Boolean).join(", ")), key(names));
      waiting.push(() => peaksOf(there, here.filter((one) => rest(one) === other), main, names, peak));
    }
  }
  for (const draw of waiting) await draw();
}

async function peaksOf(there, cases, main, names, peak) {
  const x = (one) => (main ? one.point[main] : label(one.candidate, 20));
  const places = distinct(cases.map(x)).sort((a, b) => a - b);
  const xaxis = main ? { type: places[0] > 0 ? "log" : "linear", tickvals: places, ticktext: places.map(String), title: { text: label(main), standoff: 8 } } : { type: "category" };
  const data = names.map((name, i) => {
    const some = cases.filter((one) => one.candidate === name).toSorted((a, b) => places.indexOf(x(a)) - places.indexOf(x(b)));
    return { type: "scatter", mode: "lines+markers", name: label(name), x: some.map(x), y: some.map((one) => one.metrics.get(peak.number).value), customdata: some.map((one) => one.id), hoverinfo: "text",
      hovertext: some.map((one) => lines(one.candidate, one.at, human(one.metrics.get(peak.number).value, "B"), when(one.run))), line: { color: colour(i), dash: dash(i), width: 1.5 }, marker: { color: colour(i), symbol: symbol(i), size: 8 } };
  }).filter((trace) => trace.x.length);
  await plot(there, data, { height: 320, xaxis, yaxis: valueAxis(data.flatMap((trace) => trace.y), "B") },
    (drawn) => drawn.on("plotly_click", ({ points: [{ customdata }] }) => { location.href = state.link("case", { case: customdata, metric: peak.name }); }));
}
