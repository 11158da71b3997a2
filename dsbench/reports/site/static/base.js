"use strict";
/* What every page stands on: loading data, making elements, and the state that lives in the address.

A page opened as a file may not fetch anything, so data are scripts that hand themselves over: whole ones by
`dsbench.take`, and those of cases and runs by C and P, by L, and by R. Nothing of a run is ever read
as HTML: text gets onto the page as text alone. */

const dsbench = { taken: null, points: [], take(name, data) { dsbench.taken = data; } };

/* A case: its change points, then a line a run. The newest lines of some cases, which wait for a place in the
files of these: an id, then a line a run. A run: its environment and its measurements. */
const C = (id, marks) => { dsbench.points = []; dsbench.taken = { id, marks, points: dsbench.points }; };
const L = (id) => { dsbench.points = dsbench.taken[id] = []; };
const P = (run, version, numbers, ended) => { dsbench.points.push({ run, version, metrics: unflatten(numbers), ended }); };
const R = (number, environment, rows) => {
  const measurements = rows.map(([id, how, ...numbers], row) => {
    const [probe, status, reason] = typeof how === "string" ? [how, "ok", ""] : how;
    return { id, row, probe, status, reason, metrics: unflatten(numbers) };
  });
  dsbench.taken = { number, environment, measurements };
};

function unflatten(numbers) {
  const metrics = new Map();
  for (let i = 0; i < numbers.length; i += 4) metrics.set(numbers[i], { value: numbers[i + 1], low: numbers[i + 2], high: numbers[i + 3] });
  return metrics;
}

const loading = new Map();

function script(source) {
  return new Promise((done, failed) => {
    const tag = document.createElement("script");
    tag.src = source;
    tag.onload = () => done(dsbench.taken); // runs right after the script, before any other
    tag.onerror = () => failed(new Error(`${source} is missing: build the site again with dsbench dashboard build`));
    document.head.append(tag);
  });
}

/* What data/<name>.js holds; each is loaded once. */
function load(name) {
  if (!loading.has(name)) loading.set(name, script(`data/${name}.js`));
  return loading.get(name);
}

/* An element with properties and children; children that are no elements become text. */
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/* An element of SVG. */
function svg(tag, properties = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/* A text that may run in another direction than the sentence around it. Names are long, and break where their
parts begin before they break within a word. */
function isolated(text) {
  const parts = String(text).split(/(?<=[./,_])(?=[^\s\d./,_])|(?=\[)/);
  return el("bdi", {}, parts.flatMap((part, i) => (i ? [el("wbr"), part] : [part])));
}

const byId = (id) => document.getElementById(id);

function show(place, ...children) {
  const there = typeof place === "string" ? byId(place) : place;
  there.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

const lead = (...children) => show("lead", ...children);

/* The state of a page stands behind the # of its address, so that links, reloading and going back work, also
for a page opened as a file. */
const state = {
  all: () => new URLSearchParams(location.hash.slice(1)),
  get: (name, otherwise = "") => state.all().get(name) ?? otherwise,
  link(page, values) {
    const kept = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
    return `${page}.html#${new URLSearchParams(kept)}`;
  },
  /* Changes some values; what is typed letter by letter replaces the entry in the browser's history. */
  set(values, replace = false) {
    const next = state.all();
    for (const [name, value] of Object.entries(values)) {
      if (value === "") next.delete(name);
      else next.set(name, value);
    }
    const hash = `#${next}`;
    if (hash === location.hash || (hash === "#" && location.hash === "")) return;
    if (!replace) location.hash = hash; // tells `page` by itself
    else {
      history.replaceState(null, "", hash);
      dispatchEvent(new Event("hashchange"));
    }
  },
};

/* Runs a page: draws it now and whenever its address changes, and says what went wrong in words. */
function page(draw) {
  let drawing = 0;
  const again = async () => {
    const mine = ++drawing;
    try {
      await draw(() => mine === drawing);
    } catch (error) {
      lead(error.message);
      console.error(error);
    }
    performance.mark("ready");
    document.body.dataset.ready = String(mine);
  };
  addEventListener("hashchange", again);
  again();
}
