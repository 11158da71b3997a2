"use strict";
/* A case over commits: all that was asked of it on one axis, what differed around it, and every sample. */

const MANY = 150; // points from which on intervals are drawn as a band

page(async (current) => {
  const [all, names, changes] = await Promise.all([runs(), casesById(), load("changes")]);
  const id = state.get("case");
  if (!id) return overview([...names.values()]);
  if (!names.has(id)) throw new Error("There is no such case in this site; search another with the key /.");
  const { marks, points } = await pastOf(id, all);
  const found = { ...names.get(id), points, moved: [...movesOf(id, changes), ...marks] };
  if (!current()) return;
  document.title = `${found.name.slice(0, 80)} · dsbench`;
  const series = seriesOf(found, all);
  const places = all.places.filter((place) => series.has(place.number));
  const chosen = places.filter((place) => !state.get("place") || place.key === state.get("place"));
  lead(isolated(found.name));
  const chart = el("div", { class: "plot", id: "history" });
  show("body", controls(places, found), chart,
    el("p", { class: "quiet" }, "Each mark is a commit, older ones to the left. Hover or click it; drag to move, click twice to see all. Crosses are failures, triangles below what changed around the case."),
    el("div", { id: "point" }), repeat(found, chosen, series, all), listing(found, chosen, series, all));
  await draw(chart, found, chosen.length ? chosen : places, series, all);
  if (state.get("run")) await point(found, all.byKey.get(state.get("run")), series, all);
});

function overview(cases) {
  lead("Choose a case, or search one with the key /.");
  const groups = Map.groupBy ? Map.groupBy(cases, (one) => `${one.suite}.${one.benchmark}`) : new Map([["all", cases]]);
  show("body", [...groups].map(([name, rows]) => el("details", { open: groups.size < 4 }, el("summary", {}, isolated(name), el("span", { class: "quiet" }, ` ${plural(rows.length, "case")}`)),
    el("ul", {}, rows.slice(0, 200).map((one) => el("li", {}, el("a", { href: state.link("case", { case: one.id }) }, isolated(one.name))))))));
}

/* What the landing page says of a case, where it moved. */
function movesOf(id, changes) {
  const rows = changes.places.flatMap((place) => place.events.flatMap((event) => event.rows));
  return rows.filter((row) => row.case === id && row.change && row.from).map((row) => ({ run: row.to, text: `${words(row.metric)} ${signed(row.change[0])}: ${row.outcome}` }));
}

/* A case's points by place, in the order of their commits. */
function seriesOf(found, all) {
  const series = new Map();
  for (const point of found.points) {
    const run = all.byNumber.get(point.run);
    if (!run) continue;
    if (!series.has(run.place)) series.set(run.place, []);
    series.get(run.place).push({ ...point, run, x: all.order(run) });
  }
  for (const points of series.values()) points.sort((a, b) => a.x - b.x);
  return series;
}

function controls(places, found) {
  const metrics = el("a", { href: state.link("compare", { benchmark: `${found.suite}.${found.benchmark}` }) }, "Compare");
  return el("div", { class: "filters" },
    places.length > 1 ? choice("place", "machine", [["", "all"], ...places.map((place) => [place.key, placeName(place)])], state.get("place")) : null,
    choice("last", "commits", [["", "all"], ["100", "last 100"], ["30", "last 30"], ["10", "last 10"]], state.get("last")), metrics);
}

/* The metrics that the case has numbers or failures of, the one asked for first. */
function metricsOf(points, all) {
  const there = all.metrics.filter((metric) => points.some((point) => point.metrics.has(metric.number)));
  const bare = all.metrics.filter((metric) => points.some((point) => point.ended.some(([probe]) => probe === metric.probe)) && !there.some((one) => one.probe === metric.probe));
  const firsts = bare.filter((metric, i) => bare.findIndex((one) => one.probe === metric.probe) === i);
  const asked = state.get("metric");
  return [...there, ...firsts].sort((a, b) => (b.name === asked) - (a.name === asked));
}

async function draw(place, found, places, series, all) {
  const points = places.flatMap((one) => series.get(one.number) ?? []);
  const metrics = metricsOf(points, all);
  const [first, last] = [Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x))];
  const asked = Number(state.get("last"));
  const range = [(asked ? Math.max(first, last - asked + 1) : first) - 0.5, last + 0.5];
  const [marks, height] = [80, 210 * metrics.length + 110];
  const share = (1 - marks / height) / metrics.length;
  const layout = { height, dragmode: "pan", xaxis: { range, ...commitTicks(all, range), anchor: "y", domain: [0, 1] },
    yaxis: { domain: [0, (marks - 20) / height], fixedrange: true, range: [-0.6, 1.6], tickvals: [0, 1], ticktext: ["change points", "environment"], showgrid: false }, annotations: [] };
  const drawing = { found, places, series, metrics, all, layout };
  metrics.forEach((metric, i) => {
    const top = 1 - i * share;
    const values = points.map((p) => p.metrics.get(metric.number)).filter(Boolean).flatMap((one) => [one.value, one.low, one.high]);
    layout[`yaxis${i + 2}`] = { domain: [top - share + 30 / height, top - 22 / height], fixedrange: true, ...valueAxis(values, metric.unit) };
    layout.annotations.push({ xref: "paper", yref: "paper", x: 0, y: top - 20 / height, xanchor: "left", yanchor: "bottom", showarrow: false, text: `<b>${label(words(metric.name))}</b> ${label(arrow(metric))}` });
  });
  if (places.length > 1) Object.assign(layout, LEGEND);
  await plot(place, traces(drawing, range), layout, (there) => {
    there.on("plotly_click", ({ points: [{ customdata }] }) => customdata && state.set({ run: customdata }));
    let moving = false;
    there.on("plotly_relayout", async (change) => {
      const now = there.layout.xaxis.range;
      const long = [...series.values()].some((some) => some.length > 1000);
      if (moving || !long || !Object.keys(change).some((key) => key.startsWith("xaxis"))) return;
      moving = true;
      Object.assign(layout.xaxis, { range: [...now] }, commitTicks(all, now));
      await plot(place, traces(drawing, now), layout);
      moving = false;
    });
  });
}

const arrow = (metric) => (metric.direction === "lower" ? "(lower is better)" : "(higher is better)");

function commitTicks(all, [from, to]) {
  const [first, last] = [Math.max(0, Math.ceil(from)), Math.min(all.commits.length - 1, Math.floor(to))];
  const step = Math.max(1, Math.ceil((last - first + 1) / (innerWidth < 640 ? 3 : 7)));
  const tickvals = [];
  for (let at = last; at >= first; at -= step) tickvals.unshift(at);
  return { tickvals, ticktext: tickvals.map((at) => `${shortHash(all.commits[at].commit)}<br>${day(all.commits[at].time)}`) };
}

function traces({ found, places, series, metrics, all, layout }, [from, to]) {
  const made = [{ type: "scatter", x: [null], y: [null], showlegend: false }]; // keeps the lowest axes in the figure
  for (const place of places) {
    const points = series.get(place.number) ?? [];
    metrics.forEach((metric, i) => {
      const here = { xaxis: "x", yaxis: `y${i + 2}`, hoverinfo: "text", legendgroup: String(place.number), name: label(placeName(place)) };
      const shade = colour(place.number);
      const there = points.filter((p) => p.metrics.has(metric.number)).map((p) => ({ ...p, ...p.metrics.get(metric.number), y: p.metrics.get(metric.number).value }));
      const seen = thinned(there, from - (to - from), to + (to - from));
      const many = seen.length > MANY;
      if (many && seen.some((p) => p.low !== null)) made.push(band(seen, here, shade));
      made.push({ ...here, type: "scatter", mode: many ? "lines" : "lines+markers", showlegend: i === 0, connectgaps: false,
        ...broken(seen), text: undefined, hovertext: broken(seen).hover.map((p) => (p ? hover(p, metric) : "")), customdata: broken(seen).hover.map((p) => p?.run.key),
        error_y: many ? undefined : bars(broken(seen).hover), line: { width: 1.5, color: shade }, marker: { size: 7, color: shade, symbol: symbol(place.number) } });
      const failed = points.filter((p) => !p.metrics.has(metric.number) && p.ended.some(([probe]) => probe === metric.probe));
      const axis = layout[`yaxis${i + 2}`];
      const bottom = axis.range ? (axis.type === "log" ? 10 ** axis.range[0] : axis.range[0]) : 0;
      if (failed.length) made.push({ ...here, type: "scatter", mode: "markers", showlegend: false, x: failed.map((p) => p.x), y: failed.map(() => bottom), cliponaxis: false,
        hovertext: failed.map((p) => hover(p, metric)), customdata: failed.map((p) => p.run.key), marker: { symbol: "x", size: 10, color: "#D55E00" } });
    });
    made.push(...around(points, found, place, all));
  }
  return made;
}

/* A new version of the case starts a new line. */
function broken(points) {
  const [x, y, hover] = [[], [], []];
  points.forEach((p, i) => {
    if (i && points[i - 1].version !== p.version) { x.push(p.x); y.push(null); hover.push(null); }
    x.push(p.x); y.push(p.y); hover.push(p);
  });
  return { x, y, hover };
}

function band(points, here, shade) {
  const sure = points.filter((p) => p.low !== null);
  const there = [...sure, ...sure.toReversed()];
  return { ...here, type: "scatter", mode: "none", fill: "toself", fillcolor: faint(shade), showlegend: false, hoverinfo: "skip",
    x: there.map((p) => p.x), y: [...sure.map((p) => p.high), ...sure.toReversed().map((p) => p.low)] };
}

/* What changed around the case: versions of drivers, libraries and the case itself, and its change points. */
function around(points, found, place, all) {
  const environment = points.filter((p) => p.run.changed.length);
  const version = points.filter((p, i) => i && points[i - 1].version !== p.version);
  const moved = found.moved.map((change) => ({ ...change, run: all.byNumber.get(change.run) })).filter(({ run }) => run?.place === place.number);
  const mark = (some, y, form, text) => ({ type: "scatter", mode: "markers", xaxis: "x", yaxis: "y", showlegend: false, x: some.map((p) => p.x), y: some.map(() => y),
    hoverinfo: "text", hovertext: some.map(text), customdata: some.map((p) => p.run?.key), marker: { size: 10, symbol: form, color: colour(place.number) } });
  return [
    mark(environment, 1, "triangle-up", (p) => lines(runName(p.run), ...p.run.changed.map(([name, a, b]) => `${name}: ${a} → ${b}`))),
    mark(version, 1, "star", (p) => lines(runName(p.run), `version ${p.version} of the case`)),
    mark(moved.map((change) => ({ ...change, x: all.order(change.run) })), 0, "triangle-down", (change) => lines(change.text, runName(change.run))),
  ].filter((trace) => trace.x.length);
}

function hover(p, metric) {
  const one = p.metrics.get(metric.number);
  const ended = p.ended.filter(([probe]) => probe === metric.probe).map(([, status, reason]) => `${status}: ${reason}`);
  return lines(one ? `${words(metric.name)} ${estimate(one, metric.unit)}` : words(metric.name), ...ended, `${shortHash(p.run.commit)}, ${day(p.run.time)}`, p.run.subject);
}

/* The command that repeats the newest run of a machine for this case. */
function repeat(found, places, series, all) {
  const commands = places.map((place) => {
    const [before, after] = all.repeats[series.get(place.number).at(-1).run.repeat];
    return [place, `${before} ${found.words} ${after}`];
  });
  return el("section", { class: "panel" }, el("h2", {}, "Repeat it"), commands.map(([place, command]) =>
    el("p", {}, el("span", { class: "quiet" }, isolated(place.machine), ": "), el("code", {}, command), " ", copyButton("Copy", () => command))));
}

/* A run of the case: its numbers, what differed, and on demand every sample and what was printed. */
async function point(found, run, series, all) {
  const here = run && series.get(run.place)?.find((p) => p.run === run);
  if (!here) return show("point");
  const samples = el("div", { id: "samples" });
  const ask = el("button", { type: "button", onclick: () => every(found, run, all, samples) }, "Show every sample");
  show("point", el("section", { class: "panel" }, el("h2", {}, commitLabel(run)),
    facts([...here.metrics].map(([number, one]) => [words(all.metrics[number].name), estimate(one, all.metrics[number].unit)])),
    here.ended.map(([probe, status, reason]) => el("p", {}, badge(status), ` ${probe}: `, isolated(reason))),
    run.changed.length ? el("p", {}, "Since the run before: ", run.changed.map(([name, a, b]) => `${name} ${a} → ${b}`).join(", ")) : null,
    el("p", { class: "quiet" }, `commit ${run.commit}, run ${run.id}, started ${moment(run.started)}`), ask, samples));
}

async function every(found, run, all, place) {
  const whole = await wholeRun(run);
  const taken = await withSamples(whole.measurements.filter((one) => one.id === found.id));
  const figures = el("div", { class: "plots" });
  show(place, figures, taken.map((one) => el("details", {}, el("summary", {}, `${one.probe}: notes`), facts(Object.entries(one.notes).map(([name, value]) => [name, String(value)])), one.detail ? el("pre", {}, one.detail) : null)));
  const waiting = [];
  for (const one of taken) {
    for (const [reading, rows] of Object.entries(one.readings)) {
      const unit = all.metrics.find((metric) => metric.name === reading)?.unit ?? "";
      const there = figure(figures, `${words(reading)}: ${plural(rows.length, "sample")}`);
      waiting.push(() => plot(there, [{ type: "scatter", mode: "markers", x: rows.map((_, i) => i + 1), y: rows.map(([value]) => value), hoverinfo: "text",
        hovertext: rows.map(([value, round, calls, mark]) => lines(human(value, unit), `round ${round + 1}, over ${plural(calls, "call")}`, mark)),
        marker: { size: 6, color: rows.map(([, round]) => colour(round)), symbol: rows.map((row) => (row[3] ? "x" : "circle")) } }],
      { height: 220, xaxis: { title: { text: "sample; colours are rounds, crosses were disturbed" } }, yaxis: valueAxis(rows.map(([value]) => value), unit) }));
    }
  }
  for (const draw of waiting) await draw();
}

/* The same numbers as a table, for who cannot see or hover. */
function listing(found, places, series, all) {
  const rows = places.flatMap((place) => (series.get(place.number) ?? []).slice(-50).toReversed().map((p) => [
    el("a", { href: state.link("case", { ...Object.fromEntries(state.all()), run: p.run.key }) }, commitLabel(p.run)), isolated(place.machine),
    el("span", {}, [...p.metrics].map(([number, one]) => el("div", {}, `${words(all.metrics[number].name)} ${estimate(one, all.metrics[number].unit)}`)), p.ended.map(([probe, status, reason]) => el("div", {}, badge(status), `${probe}: `, isolated(reason))))]));
  return el("details", {}, el("summary", {}, "The newest 50 as a table"), table(["commit", "machine", "numbers"], rows, "Newest measurements"));
}
