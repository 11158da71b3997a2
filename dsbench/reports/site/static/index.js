"use strict";
/* What changed: each machine's newest run against its last green one, grouped by the commits where it moved. */

const SERIOUS = ["missing", "broken", "unbuilt", "worse", "inconclusive", "new", "better"];
const RED = new Set(["missing", "broken", "unbuilt", "worse"]);
const SURE = new Set([...RED, "better"]);
const ROWS = 40; // rows of an event that are shown at first

const MEANINGS = {
  missing: "was measured before, and is absent now",
  broken: "fails now",
  unbuilt: "could not be built",
  worse: "the whole interval of the change lies on the bad side, and the change is large enough to matter",
  inconclusive: "may have become worse: too noisy to tell; more rounds would decide",
  new: "has no past to hold it against",
  better: "the mirror image of worse",
  same: "surely no further from before than the margin",
};

page(async () => {
  const [changes, all] = await Promise.all([load("changes"), runs()]);
  const rows = changes.places.flatMap((place, number) => place.events.flatMap((event) => event.rows.map((row) => ({ ...row, place: number }))));
  lead(summary(changes.places, rows), el("span", { class: "quiet" }, ` This page was built ${ago(changes.built)}.`));
  const shown = rows.filter(wanted(all));
  show("body",
    el("section", { class: "cards", "aria-label": "Machines" }, changes.places.map((place, number) => card(place, all.places[number], all))),
    glossary(),
    rows.length ? filters(rows, all, shown.length) : null,
    rows.length ? events(shown, all) : el("p", { class: "calm" }, "Nothing changed: every case is the same as in the last green run."));
});

function summary(places, rows) {
  const open = rows.filter((row) => !row.acknowledged);
  const red = open.filter((row) => RED.has(row.outcome));
  const machines = plural(places.length, "machine");
  if (places.every((place) => !place.green)) return el("strong", {}, `The first run of ${machines}: everything is new, and there is nothing to hold it against yet.`);
  if (!red.length) return el("strong", { class: "good" }, `Nothing got worse on ${machines}.`);
  const counts = SERIOUS.filter((word) => RED.has(word)).map((word) => [word, red.filter((row) => row.outcome === word).length]).filter(([, n]) => n);
  const hit = distinct(red.map((row) => row.place)).length;
  return el("strong", { class: "bad" }, `${counts.map(([word, n]) => `${n} ${word}`).join(", ")} on ${hit < places.length ? `${hit} of ` : ""}${machines}.`);
}

/* A machine: is it green, what was measured last and when, what that is held against. */
function card(place, where, all) {
  const newest = all.byNumber.get(place.newest);
  const held = place.green ? ["Held against the last green run, ", commitLabel(all.byNumber.get(place.green))]
    : "The first run of this machine: there is nothing to hold it against.";
  return el("article", { class: `card ${place.red ? "red" : place.green ? "green" : ""}` },
    el("h2", {}, isolated(where.machine), " ", el("span", { class: "quiet" }, isolated(`${where.device}, ${where.backend}`))),
    el("p", {}, Object.entries(place.counts).map(([word, count]) => el("span", { class: `badge ${word}` }, `${count} ${word}`))),
    el("p", {}, "Newest: ", commitLabel(newest), ", measured ", el("time", { title: moment(newest.started) }, ago(newest.started)), newest.dirty ? " (with uncommitted changes)" : ""),
    el("p", { class: "quiet" }, held));
}

function glossary() {
  return el("details", {}, el("summary", {}, "What do the words mean?"),
    facts(Object.entries(MEANINGS).map(([word, meaning]) => [word, meaning])),
    el("p", {}, "A case is one implementation on one point of its parameters. The change is that of the newest run against the last green one, in which nothing was missing, broken or worse, with its 99 % interval. So what got worse stays here until it is mended. An event is what moved between the same two commits."));
}

function wanted(all) {
  const asked = Object.fromEntries(["suite", "backend", "machine", "metric", "outcome", "sure", "text"].map((name) => [name, state.get(name)]));
  const text = asked.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (row) => {
    const place = all.places[row.place];
    return (!asked.suite || row.suite === asked.suite) && (!asked.backend || place.backend === asked.backend)
      && (!asked.machine || place.machine === asked.machine) && (!asked.metric || row.metric === asked.metric)
      && (!asked.outcome || (asked.outcome === "bad" ? RED.has(row.outcome) : row.outcome === asked.outcome))
      && (!asked.sure || SURE.has(row.outcome)) && text.every((word) => row.name.toLowerCase().includes(word));
  };
}

function filters(rows, all, count) {
  const places = distinct(rows.map((row) => row.place)).map((number) => all.places[number]);
  const outcomes = SERIOUS.filter((word) => rows.some((row) => row.outcome === word));
  const typed = el("input", { type: "search", name: "text", value: state.get("text"), placeholder: "part of a name", oninput: () => state.set({ text: typed.value }, true) });
  const again = document.activeElement?.name === "text";
  if (again) queueMicrotask(() => { typed.focus(); typed.setSelectionRange(typed.value.length, typed.value.length); });
  return el("form", { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    el("label", { class: "choice" }, el("span", {}, "case"), typed),
    filter("suite", "suite", distinct(rows.map((row) => row.suite))),
    filter("backend", "backend", distinct(places.map((place) => place.backend))),
    filter("machine", "machine", distinct(places.map((place) => place.machine))),
    filter("metric", "metric", distinct(rows.map((row) => row.metric).filter(Boolean))),
    choice("outcome", "direction", [["", "all"], ["bad", "what got worse"], ...outcomes], state.get("outcome")),
    choice("sure", "significance", [["", "all"], ["1", "only what is sure"]], state.get("sure")),
    el("output", {}, `${count} of ${plural(rows.length, "row")}`),
    location.hash.length > 1 ? el("button", { type: "button", onclick: () => { location.hash = ""; } }, "Clear filters") : null);
}

function events(rows, all) {
  const open = rows.filter((row) => !row.acknowledged);
  const folded = rows.filter((row) => row.acknowledged);
  const list = (some) => grouped(some).map((event) => section(event, all));
  if (!rows.length) return el("p", { class: "calm" }, "No row passes the filters.");
  return el("div", {}, list(open), folded.length
    ? el("details", { class: "folded" }, el("summary", {}, `${plural(folded.length, "acknowledged change")}`), list(folded)) : null);
}

function grouped(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = `${row.place} ${row.from} ${row.to}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  const rank = (row) => SERIOUS.indexOf(row.outcome);
  return [...groups.values()].sort((a, b) => Math.min(...a.map(rank)) - Math.min(...b.map(rank)));
}

/* An event: what moved between two commits of a machine. What is only new starts folded. */
function section(rows, all) {
  const [{ place, from, to }] = rows;
  const counts = SERIOUS.map((word) => [word, rows.filter((row) => row.outcome === word).length]).filter(([, n]) => n);
  const [before, after] = [from && all.byNumber.get(from), all.byNumber.get(to)];
  const title = el("summary", {},
    counts.map(([word, n]) => el("span", { class: `badge ${word}` }, `${n} ${word}`)),
    before ? " at " : " since ", commitLabel(after),
    el("span", { class: "quiet" }, " on ", isolated(all.places[place].machine), before ? ` (since ${shortHash(before.commit)})` : ""));
  const body = el("div", {});
  const list = (count) => show(body, before ? el("p", { class: "quiet" }, compareLink(before, after)) : null,
    grid(rows.slice(0, count), all),
    rows.length > count ? el("button", { type: "button", onclick: () => list(rows.length) }, `Show all ${rows.length}`) : null);
  list(ROWS);
  return el("details", { class: "event", open: rows.some((row) => row.outcome !== "new") }, title, body);
}

const compareLink = (before, after) => el("a", { href: state.link("compare", { a: before.key, b: after.key }) }, "Compare these two commits");

function grid(rows, all) {
  return el("ul", { class: "rows" }, rows.map((row) => {
    const place = all.places[row.place];
    const href = state.link("case", { case: row.case, place: place.key, metric: row.metric });
    const numbers = row.before && row.after ? `${human(row.before[0], row.unit)} → ${human(row.after[0], row.unit)}` : row.after ? human(row.after[0], row.unit) : "";
    return el("li", { class: "row" },
      el("span", { class: "what" }, badge(row.outcome), el("a", { href }, isolated(row.name)), el("span", { class: "quiet" }, row.metric ? ` ${words(row.metric)}` : "")),
      el("span", { class: `size ${row.outcome}` }, row.change ? signed(row.change[0]) : ""),
      el("span", { class: "interval" }, row.change && row.change[1] !== null ? [`${signed(row.change[1])} to ${signed(row.change[2])}`, whisker(row)] : ""),
      el("span", { class: "values" }, numbers),
      row.spark.length ? sparkline(row.spark, row.outcome) : el("span", {}),
      el("span", { class: "why quiet" }, row.acknowledged ? `acknowledged: ${row.acknowledged}. ` : row.lapsed ? `no longer acknowledged: ${row.lapsed}. ` : "", isolated(row.reason), RED.has(row.outcome) ? [" · accept it: ", el("code", {}, `dsbench ack ${row.id}`)] : null));
  }));
}

/* The change with its interval, on a line from −50 to +50 % on which zero and the threshold are marked. */
function whisker(row) {
  const [width, height, end] = [120, 14, 0.5];
  const x = (share) => ((Math.max(-end, Math.min(end, share)) + end) / (2 * end)) * width;
  const [value, low, high] = row.change;
  const line = (a, b, kind) => svg("line", { x1: x(a), x2: x(b), y1: height / 2, y2: height / 2, class: kind });
  const mark = (at, kind) => svg("line", { x1: x(at), x2: x(at), y1: 1, y2: height - 1, class: kind });
  return svg("svg", { class: `whisker ${row.outcome}`, viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
    mark(0, "zero"), mark(row.threshold, "bound"), mark(-row.threshold, "bound"), line(low, high, "span"), svg("circle", { cx: x(value), cy: height / 2, r: 3 }));
}
