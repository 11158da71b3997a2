"use strict";
/* Runs, places, metrics and cases, which data name by number or id. */

let known = null;

/* data/runs.js with what is looked up in it. */
async function runs() {
  if (known) return known;
  const data = await load("runs");
  const metrics = data.metrics.map(([name, unit, direction, probe, meaning], number) => ({ name, unit, direction, probe, meaning, number }));
  const byNumber = new Map(data.runs.map((run) => [run.number, run]));
  const commits = new Map(); // by hash, in the order of time: where a commit lies on the axis of a history
  for (const run of data.runs) if (!commits.has(run.commit)) commits.set(run.commit, { ...run, order: commits.size });
  known = {
    metrics,
    metric: new Map(metrics.map((metric) => [metric.name, metric])),
    places: data.places.map((place, number) => ({ ...place, number })),
    all: data.runs,
    repeats: data.repeats,
    late: data.late, // the first digits of cases of which some have lines that are not in their files yet
    byNumber,
    byKey: new Map(data.runs.map((run) => [run.key, run])),
    commits: [...commits.values()],
    order: (run) => commits.get(run.commit).order,
    of: (place) => data.runs.filter((run) => run.place === place),
    newest: (place) => data.runs.findLast((run) => run.place === place),
  };
  return known;
}

const placeName = (place) => `${place.machine} · ${place.device} (${place.backend})`;
const runName = (run) => `${shortHash(run.commit)} ${day(run.time)} ${run.subject}`;

/* A commit as people know it, its whole hash on hover. */
function commitLabel(run) {
  return el("span", { title: `${run.commit} · ${run.subject}` }, el("code", {}, shortHash(run.commit)), ` ${day(run.time)} `, isolated(run.subject));
}

/* Every case by its id, and what it is called. */
async function casesById() {
  const rows = (await load("cases")).map(([id, name, suite, benchmark, candidate, point, at, words]) =>
    [id, { id, name, suite, benchmark, candidate, point: Object.fromEntries(point), at, words }]);
  return new Map(rows);
}

/* A whole run: its measurements in the order in which it planned their cases, each with its case's names. */
async function wholeRun(run) {
  const [{ environment, measurements }, cases] = await Promise.all([load(`run/${run.number}`), casesById()]);
  return { run, environment, measurements: measurements.map((one) => ({ ...cases.get(one.id), ...one, run })) };
}

const unpacked = new Map();

/* All that was recorded of a run, a line a measurement, in their order. */
function recordedOf(run) {
  if (!unpacked.has(run.number)) {
    unpacked.set(run.number, load(`samples/${run.number}`).then(async (packed) => {
      const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      return (await new Response(stream).text()).split("\n");
    }));
  }
  return unpacked.get(run.number);
}

/* Measurements with their samples, notes and what was printed. */
const withSamples = (some) => Promise.all(some.map(async (one) => ({ ...one, ...JSON.parse((await recordedOf(one.run))[one.row]) })));

/* The runs in which some probes of a place are looked at, newest first: the one in the address, or else as many
as it takes to have the newest measurement of every case. */
async function lookedAt(place, probes, all) {
  const newest = new Set(probes.flatMap((probe) => place.newest[probe] ?? []));
  const one = askedFor(place, all);
  const wanted = one ? [one] : all.of(place.number).filter((run) => newest.has(run.number)).toReversed();
  return Promise.all(wanted.map(wholeRun));
}

/* The run of a place that is in the address. */
function askedFor(place, all) {
  const asked = all.byKey.get(state.get("run"));
  return asked?.place === place.number ? asked : undefined;
}

/* The place in the address, or else the first at which a probe has measured. */
function placeWith(probe, all) {
  return all.places.find((one) => one.key === state.get("place")) ?? all.places.find((one) => one.newest[probe]?.length) ?? all.places[0];
}

/* The choices of a machine and of a commit, or of what is newest of each case. */
function placeAndRun(place, all) {
  const runs = all.of(place.number).toReversed().map((run) => [run.key, runName(run).slice(0, 90)]);
  return [
    all.places.length > 1 ? choice("place", "machine", all.places.map((one) => [one.key, placeName(one)]), place.key, (value) => state.set({ place: value, run: "" })) : null,
    runs.length > 1 ? choice("run", "commit", [["", "the newest of each case"], ...runs], state.get("run")) : null,
  ];
}

/* From which commits something is shown. */
function sources(runs) {
  return el("p", { class: "quiet" }, runs.length > 1 ? "From the newest run of each case, among " : "From the run of ",
    runs.slice(0, 5).map((run, i) => [i ? "; " : "", commitLabel(run)]), runs.length > 5 ? ` and ${runs.length - 5} more` : "", ".");
}

const when = (run) => `${shortHash(run.commit)}, ${day(run.time)}`;

/* The newest measurement of each case by a probe. */
function newestOf(runs, probe) {
  const found = new Map();
  for (const one of runs.flatMap((run) => run.measurements)) if (one.probe === probe && !found.has(one.id)) found.set(one.id, one);
  return [...found.values()];
}

/* Measurements of one run, or the newest of several, by case: metrics by number joined, and how each probe ended. */
function byCase(measurements) {
  const cases = new Map();
  for (const one of measurements) {
    const there = cases.get(one.id) ?? { ...one, metrics: new Map(), probes: [] };
    for (const [metric, found] of one.metrics) there.metrics.set(metric, found);
    there.probes.push(one);
    cases.set(one.id, there);
  }
  return [...cases.values()];
}

/* Of each case what the newest run says that has all of some metrics, so that they are of one commit: mostly that
which measured it last, and else one of its past. */
async function newestWith(looked, metrics, place, all) {
  const cases = new Map();
  for (const one of looked.flatMap((run) => byCase(run.measurements))) cases.set(one.id, [...(cases.get(one.id) ?? []), one]);
  const found = await Promise.all([...cases.values()].map(async (rows) => {
    const last = metrics.map((metric) => rows.findIndex((one) => one.probes.some(({ probe }) => probe === metric.probe)));
    if (last.includes(-1)) return undefined;
    const one = rows[Math.max(...last)]; // before it, one of the probes alone has measured
    if (metrics.every((metric) => one.metrics.has(metric.number))) return one;
    return askedFor(place, all) ? undefined : { ...one, ...await lastPointWith(one.id, metrics, place, all) };
  }));
  return found.filter((one) => one && metrics.every((metric) => one.metrics.has(metric.number)));
}

/* The newest point of a case, in its version of today, that has all of some metrics. */
async function lastPointWith(id, metrics, place, all) {
  const points = (await pastOf(id, all)).points.map((point) => ({ ...point, run: all.byNumber.get(point.run) }));
  const here = points.filter(({ run }) => run?.place === place.number).sort((a, b) => all.order(a.run) - all.order(b.run));
  return here.findLast((point) => point.version === here.at(-1).version && metrics.every((metric) => point.metrics.has(metric.number)));
}

/* The change points of a case and all of its points, of which the newest may not stand in its file yet. */
async function pastOf(id, all) {
  const { marks, points } = await load(`case/${id}`);
  const late = all.late.includes(id[0]) ? await load(`late/${id[0]}`) : {};
  return { marks, points: [...points, ...(late[id] ?? [])] };
}

/* Adds a place for a figure under its title; all of them are made before the first is drawn, since each takes
the width that is there then. */
function figure(into, title, ...rest) {
  const there = el("div", { class: "plot" });
  into.append(el("figure", {}, el("figcaption", {}, title), there, rest));
  return there;
}

/* Which colour and mark is which candidate. */
function key(names) {
  return el("ul", { class: "legend", "aria-label": "Colours" }, names.map((name, i) => el("li", {}, glyph(i), " ", isolated(name))));
}

/* Candidates of a benchmark in the order in which the run planned them, which is where their colours come from. */
function candidatesOf(cases) {
  return [...new Set(cases.map((one) => one.candidate))];
}

/* The axes of some cases that have more than one value, with their values in order. */
function axesOf(cases) {
  const axes = new Map();
  for (const one of cases) {
    for (const [axis, value] of Object.entries(one.point)) {
      if (!axes.has(axis)) axes.set(axis, new Set());
      axes.get(axis).add(value);
    }
  }
  const ordered = (values) => [...values].sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))));
  return [...axes].filter(([, values]) => values.size > 1).map(([axis, values]) => [axis, ordered(values)]);
}
