"use strict";
/* Runs, places and metrics, which the data of cases name by number. */

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

/* A whole run: its measurements in the order in which it planned their cases, each with its case's names. */
async function wholeRun(number) {
  const [run, cases] = await Promise.all([load(`run/${number}`), load("cases")]);
  const names = new Map(cases.map(([id, name, , , , at]) => [id, { name, at }]));
  const planned = new Map(run.head.planned.map((name, order) => [name, order]));
  const order = ({ name }) => planned.get(name) ?? planned.size;
  const measurements = run.measurements.map((one) => ({ ...one, ...names.get(one.id) })).sort((a, b) => order(a) - order(b));
  return { ...run, measurements };
}

/* A run's measurements by case: metrics by number joined, and how each probe ended. */
function byCase(run) {
  const cases = new Map();
  for (const one of run.measurements) {
    const there = cases.get(one.id) ?? { id: one.id, name: one.name, at: one.at, ...one.case, metrics: new Map(), probes: [] };
    for (const [metric, found] of one.metrics) there.metrics.set(metric, found);
    there.probes.push(one);
    cases.set(one.id, there);
  }
  return [...cases.values()];
}

/* Adds a place for a figure under its title; all of them are made before the first is drawn, since each takes
the width that is there then. */
function figure(into, title, ...rest) {
  const there = el("div", { class: "plot" });
  into.append(el("figure", {}, el("figcaption", {}, title), there, rest));
  return there;
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
