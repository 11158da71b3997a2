"use strict";
/* Parts that pages share: the head with its search, choices, badges, sparklines, tables. */

const PAGES = { index: "What changed", case: "Case", compare: "Compare", pareto: "Pareto", machines: "Machines", leaks: "Leaks and memory", load: "Load" };

function head() {
  const here = document.body.dataset.page;
  const links = Object.entries(PAGES).map(([name, title]) =>
    el("a", { href: `${name}.html`, "aria-current": name === here && "page" }, title));
  const open = el("button", { type: "button", id: "find", onclick: search, title: "Search a case (key /)" }, "Search ", el("kbd", {}, "/"));
  show("top", el("a", { class: "skip", href: "#main", onclick: skip }, "Skip to content"), el("a", { class: "brand", href: "index.html" }, "dsbench"), el("nav", { "aria-label": "Pages" }, links), open);
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName ?? "");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search();
    }
  });
}

function skip(event) {
  event.preventDefault(); // what is behind the # is the page's state
  byId("main").tabIndex = -1;
  byId("main").focus();
}

/* A dialog that finds cases by the words of their names. */
async function search() {
  let cases = []; // loaded once the dialog is there, so that nothing that is typed is lost
  const input = el("input", { type: "search", placeholder: "Words of a case's name, such as sdpa N=4096", "aria-label": "Search a case", autocomplete: "off", spellcheck: "false" });
  const found = el("ul", { class: "found" });
  const dialog = el("dialog", { class: "search", "aria-label": "Search", onclose: () => dialog.remove() },
    el("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); found.querySelector("a")?.click(); } }, input), found);
  const list = () => {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = cases.filter(([, name]) => wanted.every((word) => name.toLowerCase().includes(word)));
    const links = hits.slice(0, 50).map(([id, name]) => el("li", {}, el("a", { href: state.link("case", { case: id }), onclick: () => dialog.close() }, isolated(name))));
    const rest = hits.length > 50 ? el("li", { class: "quiet" }, `and ${hits.length - 50} more: go on typing`) : null;
    show(found, links, rest, hits.length ? null : el("li", { class: "quiet" }, "No case has all of these words in its name."));
  };
  input.addEventListener("input", list);
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const stops = [input, ...found.querySelectorAll("a")];
    const next = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    stops[(next + stops.length) % stops.length].focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
  cases = await load("cases");
  list();
}

/* A choice kept in the page's address; options are [value, text], or values alone. */
function choice(name, title, options, chosen, change = (value) => state.set({ [name]: value })) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const made = el("select", { name, onchange: () => change(made.value) },
    pairs.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text)));
  return el("label", { class: "choice" }, el("span", {}, title), made);
}

/* A choice of "all" or one of the values; nothing when there is no choice. */
function filter(name, title, options) {
  return options.length < 2 ? null : choice(name, title, [["", `all (${options.length})`], ...options], state.get(name));
}

const distinct = (values) => [...new Set(values)].sort();

const badge = (word) => el("span", { class: `badge ${word}` }, word);

function table(titles, rows, caption) {
  const cells = titles.map((title) => el("th", { scope: "col", class: title.startsWith("#") && "number" }, title.replace("#", "")));
  const body = rows.map((row) => el("tr", {}, row.map((cell, i) => el("td", { class: titles[i].startsWith("#") && "number" }, cell))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", {}, el("thead", {}, el("tr", {}, cells)), el("tbody", {}, body)));
}

/* A table of two columns, of names and what they are. */
function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.map(([name, value]) => el("div", {}, el("dt", {}, isolated(name)), el("dd", {}, value))));
}

/* The newest values of a series; a gap where a run has none, the last one marked. */
function sparkline(values, word) {
  const [width, height, edge] = [120, 28, 3];
  const there = values.map((value, i) => [i, value]).filter(([, value]) => value !== null);
  if (there.length < 2) return el("span", { class: "quiet" }, NOTHING);
  const [low, high] = [Math.min(...there.map(([, v]) => v)), Math.max(...there.map(([, v]) => v))];
  const x = (i) => edge + (i * (width - 2 * edge)) / Math.max(values.length - 1, 1);
  const y = (value) => (high === low ? height / 2 : height - edge - ((value - low) * (height - 2 * edge)) / (high - low));
  let path = "";
  values.forEach((value, i) => { if (value !== null) path += `${i > 0 && values[i - 1] !== null ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`; });
  const [lastAt, last] = there[there.length - 1];
  return svg("svg", { class: `spark ${word}`, viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${there.length} newest values` },
    svg("path", { d: path }), svg("circle", { cx: x(lastAt), cy: y(last), r: 2.5 }));
}

/* Copies text; where the browser allows pages of files no clipboard, by way of a selection. */
async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "hidden-text", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

const copyButton = (label, text) => {
  const button = el("button", { type: "button", onclick: () => copy(text(), button) }, label);
  return button;
};

head();
