"use strict";
/* Two sides beside each other: revisions, machines, backends, or candidates of one run. */

page(async (current) => {
  const all = await runs();
  const asked = sides(all);
  const [left, right] = await Promise.all(asked.map(({ run }) => wholeRun(run)));
  if (!current()) return;
  const [a, b] = [byCase(left.measurements), byCase(right.measurements)];
  const benchmarks = distinct([...a, ...b].map((one) => `${one.suite}.${one.benchmark}`));
  const benchmark = state.get("benchmark", benchmarks.length > 0 ? benchmarks[0] : "");
  const within = (some) => some.filter((one) => `${one.suite}.${one.benchmark}` === benchmark);
  const [one, two] = candidates(asked, within(a), within(b));
  const pairs = matched(within(a), within(b), one, two);
  const metrics = all.metrics.filter((metric) => pairs.some((pair) => pair.a.metrics.has(metric.number) && pair.b.metrics.has(metric.number)));
  const metric = metrics.find((found) => found.name === state.get("metric")) ?? metrics[0];
  lead("B over A, case by case. An interval of the ratio is the widest that both intervals allow; where it leaves out 1, the two differ.");
  const chart = el("div", { class: "plot", id: "forest" });
  const rows = metric ? pairs.map((pair) => ({ ...pair, ...ratio(pair.a.metrics.get(metric.number), pair.b.metrics.get(metric.number)) })) : [];
  show("body", el("div", { class: "filters" },
    runChoice("a", "A", asked[0].run, all), candidateChoice("ca", "A's candidate", within(a), one),
    runChoice("b", "B", asked[1].run, all), candidateChoice("cb", "B's candidate", within(b), two),
    choice("benchmark", "benchmark", benchmarks, benchmark),
    metrics.length > 1 ? choice("metric", "metric", metrics.map((m) => [m.name, words(m.name)]), metric.name) : null),
  unlike(left, right), metric ? chart : el("p", { class: "calm" }, "The two sides share no case with numbers: choose other runs, candidates or another benchmark."),
  metric ? listing(rows, metric, asked, one, two) : null);
  if (metric) await forest(chart, rows.filter((row) => row.value), metric);
});

/* The two runs: those in the address, else a machine's newest and the one before, else one run twice. */
function sides(all) {
  const b = all.byKey.get(state.get("b")) ?? all.newest(0);
  const before = all.of(b.place);
  const a = all.byKey.get(state.get("a")) ?? before[Math.max(0, before.indexOf(b) - 1)];
  return [{ run: a }, { run: b }];
}

/* The candidates asked for; of one run with itself the first two, since anything else would be the same twice. */
function candidates([{ run: left }, { run: right }], a, b) {
  const names = candidatesOf(a.filter((one) => one.metrics.size));
  const twice = left === right && names.length > 1 && !state.get("ca") && !state.get("cb");
  return twice ? [names[0], names[1]] : [state.get("ca"), state.get("cb")].map((name, i) => ([a, b][i].some((one) => one.candidate === name) ? name : ""));
}

function matched(a, b, one, two) {
  const key = (found) => `${one || two ? "" : found.candidate}\n${found.at}`;
  const there = new Map(b.filter((found) => !two || found.candidate === two).map((found) => [key(found), found]));
  return a.filter((found) => (!one || found.candidate === one) && there.has(key(found))).map((found) => ({ a: found, b: there.get(key(found)), name: one || two ? found.at || found.benchmark : `${found.candidate} ${found.at}` }));
}

function ratio(a, b) {
  if (!a || !b || !(a.value > 0)) return { value: null };
  const sure = [a.low, a.high, b.low, b.high].every((end) => end !== null && end > 0);
  return { value: b.value / a.value, low: sure ? b.low / a.high : null, high: sure ? b.high / a.low : null };
}

function runChoice(name, title, run, all) {
  const options = all.places.flatMap((place) => all.of(place.number).toReversed().map((one) => [one.key, `${place.machine} ${place.backend} ${runName(one)}`.slice(0, 90)]));
  return choice(name, title, options, run.key);
}

function candidateChoice(name, title, cases, chosen) {
  const names = candidatesOf(cases);
  return names.length > 1 ? choice(name, title, [["", "each with itself"], ...names], chosen) : null;
}

/* What differs between the two environments. */
function unlike(left, right) {
  const facts = ({ environment: e }) => ({ machine: e.machine, device: e.device.name, driver: e.device.driver, python: e.python, os: e.os, ...e.device.versions, ...e.versions });
  const [a, b] = [facts(left), facts(right)];
  const names = distinct([...Object.keys(a), ...Object.keys(b)]).filter((name) => a[name] !== b[name]);
  return names.length ? el("details", { open: names.length < 6 }, el("summary", {}, `The environments differ in ${names.join(", ")}`), table(["", "A", "B"], names.map((name) => [name, isolated(a[name] ?? NOTHING), isolated(b[name] ?? NOTHING)]), "Environments")) : null;
}

const word = (row, metric) => (!row.low || (row.low <= 1 && row.high >= 1) ? "" : (row.value < 1) === (metric.direction === "lower") ? "better" : "worse");
const ratioText = (row) => (row.value ? `${threeDigits(row.value)}×${row.low ? ` [${threeDigits(row.low)}, ${threeDigits(row.high)}]` : ""}` : NOTHING);

function listing(rows, metric, asked, one, two) {
  const name = (i) => [runName(asked[i].run), [one, two][i]].filter(Boolean).join(", ");
  const numbers = (row, side) => row[side].metrics.has(metric.number) ? estimate(row[side].metrics.get(metric.number), metric.unit)
    : row[side].probes.find(({ probe }) => probe === metric.probe)?.status ?? NOTHING;
  const text = () => ["| case | A | B | B over A |", "| --- | ---: | ---: | ---: |", ...rows.map((row) => `| ${[row.name, numbers(row, "a"), numbers(row, "b"), ratioText(row)].map((cell) => cell.replaceAll("|", "\\|").replaceAll("`", "'")).join(" | ")} |`), "", `${words(metric.name)}; A: ${name(0)}; B: ${name(1)}`].join("\n");
  return el("section", {}, el("h2", {}, words(metric.name), " ", el("span", { class: "quiet" }, arrowText(metric))), copyButton("Copy as Markdown", text),
    table(["case", "#A", "#B", "#B over A", ""], rows.map((row) => [
      el("a", { href: state.link("case", { case: row.b.id, metric: metric.name }) }, isolated(row.name)), numbers(row, "a"), numbers(row, "b"), el("span", { class: word(row, metric) }, ratioText(row)), word(row, metric) ? badge(word(row, metric)) : ""]), "Comparison"));
}

const arrowText = (metric) => `${metric.direction} is better; ${metric.meaning}`;

async function forest(place, rows, metric) {
  const shades = { better: "#009E73", worse: "#D55E00", "": "#8C8C8C" };
  const ends = rows.flatMap((row) => [row.value, row.low, row.high]).filter(Boolean);
  const [low, high] = [Math.min(0.9, ...ends) / 1.05, Math.max(1.1, ...ends) * 1.05];
  const ticks = high / low > 6 ? logTicks(low, high, high / low > 40 ? 10 : 2) : [0.5, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2].filter((tick) => tick >= low && tick <= high);
  await plot(place, [{ type: "scatter", mode: "markers", x: rows.map((row) => row.value), y: rows.map((_, i) => -i), hoverinfo: "text",
    hovertext: rows.map((row) => lines(row.name, ratioText(row))), error_x: { ...bars(rows.map((row) => ({ value: row.value, low: row.low ?? null, high: row.high ?? null })), "#8C8C8C") },
    marker: { size: 9, color: rows.map((row) => shades[word(row, metric)]) } }],
  { height: 90 + 24 * rows.length, shapes: [{ type: "line", x0: 1, x1: 1, yref: "paper", y0: 0, y1: 1, line: { color: "#8C8C8C", dash: "dot" } }],
    xaxis: { type: "log", range: [Math.log10(low), Math.log10(high)], tickvals: ticks, ticktext: ticks.map((tick) => `${Number(tick.toPrecision(3))}×`), title: { text: `${label(words(metric.name))}, B over A` } },
    yaxis: { tickvals: rows.map((_, i) => -i), ticktext: rows.map((row) => label(row.name, matchMedia("(max-width: 40rem)").matches ? 24 : 60)), range: [-rows.length + 0.4, 0.6], showgrid: false } });
}
