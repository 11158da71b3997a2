"use strict";
/* Latency against the rate of requests for each batching policy, and the rate up to which a promise holds. */

page(async (current) => {
  const all = await runs();
  const place = placeWith("load", all);
  const measured = await withSamples(newestOf(await lookedAt(place, ["load"], all), "load"));
  if (!current()) return;
  const metrics = all.metrics.filter((metric) => metric.probe === "load");
  const cases = byCase(measured).filter((one) => one.metrics.size);
  lead("How long requests wait as more of them come, and how many a second a policy serves within its promise (SLO).");
  const figures = el("div", { class: "plots" });
  show("body", el("div", { class: "filters" }, placeAndRun(place, all)),
    cases.length ? [sources([...new Set(cases.map((one) => one.run))]), figures, listing(cases, metrics)] : el("p", { class: "calm" }, "Here is no load measurement: benchmarks that declare the probe load give one."),
    measured.filter((one) => !one.metrics.size).map((one) => el("p", {}, badge(one.status), " ", isolated(one.name), ": ", isolated(one.reason))));
  const waiting = [];
  for (const benchmark of distinct(cases.map((one) => `${one.suite}.${one.benchmark}`))) {
    curves(figures, benchmark, cases.filter((one) => `${one.suite}.${one.benchmark}` === benchmark), metrics, waiting);
  }
  for (const draw of waiting) await draw();
});

function listing(cases, metrics) {
  const shown = metrics.filter((metric) => cases.some((one) => one.metrics.has(metric.number)));
  return table(["policy", "at", ...shown.map((metric) => `#${words(metric.name)}`), "commit"], cases.map((one) => [
    el("a", { href: state.link("case", { case: one.id }) }, isolated(`${one.benchmark}.${one.candidate}`)), isolated(one.at),
    ...shown.map((metric) => estimate(one.metrics.get(metric.number), metric.unit)), el("code", { title: `${one.run.commit} · ${one.run.subject}` }, shortHash(one.run.commit))]), "Load");
}

/* Percentiles, the metrics of the probe that are times, against the axis of rates; the promise as a line. */
function curves(into, benchmark, cases, metrics, waiting) {
  const numeric = axesOf(cases).filter(([, values]) => values.every((value) => typeof value === "number"));
  const axis = (numeric.find(([name]) => /rate|rps|qps|load/i.test(name)) ?? numeric[0])?.[0];
  const times = metrics.filter((metric) => metric.unit === "s" && cases.some((one) => one.metrics.has(metric.number)));
  if (!axis || !times.length) return;
  const names = candidatesOf(cases);
  const slo = cases.flatMap((one) => one.probes.map((probe) => Number(probe.notes.slo))).find((value) => value > 0);
  const there = figure(into, [isolated(benchmark), el("span", { class: "quiet" }, ` ${times.map((metric) => words(metric.name)).join(", ")}${slo ? `; SLO ${human(slo, "s")}` : ""}`)]);
  const data = names.flatMap((name, i) => times.map((metric, at) => {
    const some = cases.filter((one) => one.candidate === name && one.metrics.has(metric.number)).toSorted((a, b) => a.point[axis] - b.point[axis]);
    const found = some.map((one) => one.metrics.get(metric.number));
    return { type: "scatter", mode: "lines+markers", name: label(`${name} ${words(metric.name)}`), x: some.map((one) => one.point[axis]), y: found.map((one) => one.value), error_y: bars(found), customdata: some.map((one) => one.id), hoverinfo: "text",
      hovertext: some.map((one) => lines(name, one.at, `${words(metric.name)} ${estimate(one.metrics.get(metric.number), "s")}`, when(one.run))), line: { color: colour(i), dash: DASHES[at % DASHES.length], width: 1.5 }, marker: { color: colour(i), symbol: symbol(i), size: 7 } };
  }));
  const ends = [...data.flatMap((trace) => trace.y), slo].filter(Boolean);
  const shapes = slo ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: slo, y1: slo, line: { color: "#D55E00", dash: "dash", width: 1.5 } }] : [];
  waiting.push(() => plot(there, data, { height: 380 + 16 * names.length, ...LEGEND, shapes, xaxis: { title: { text: label(words(axis)), standoff: 8 }, rangemode: "tozero" }, yaxis: valueAxis(ends, "s", "", true) },
    (drawn) => drawn.on("plotly_click", ({ points: [{ customdata }] }) => { location.href = state.link("case", { case: customdata }); })));
}
