"use strict";
/* Each machine: how quiet it is, what it can see, what it can do at best, and where every case lies below that. */

page(async () => {
  const [machines, all] = await Promise.all([load("machines"), runs()]);
  lead("How far each machine can be trusted, and how near its cases come to what it can do at best.");
  const sections = machines.map((machine, number) => section(machine, all.places[number], all));
  show("body", sections.map(({ element }) => element));
  for (const { draw } of sections) await draw();
});

function section(machine, place, all) {
  const roof = el("div", { class: "plot" });
  const time = el("div", { class: "plot" });
  const newest = all.byNumber.get(machine.run);
  const [, , disturbed, samples] = machine.over_time[machine.over_time.length - 1];
  const causes = Object.entries(machine.causes).map(([cause, count]) => `${count} × ${cause}`).join(", ");
  const best = machine.ceilings;
  const pairs = [
    ["noise between processes", machine.between === null ? "unknown: it takes two rounds" : `±${percent(machine.between)} (typical standard deviation of a round)`],
    ["smallest change it can see", machine.smallest === null ? NOTHING : `${percent(machine.smallest)} between two runs of ${plural(machine.rounds, "round")}, in 8 of 10 tries; drift between hours comes on top`],
    ["disturbed samples", `${disturbed} of ${samples}${causes ? `: ${causes}` : ""}`],
    ["ceilings", best ? ceilings(best) : ["not measured: ", el("code", {}, "dsbench doctor --ceilings")]],
    ["newest run", commitLabel(newest)],
    ...machine.environment.map(([name, value]) => [name, typeof value === "number" ? human(value, "B") : value]),
  ];
  const element = el("section", {}, el("h2", {}, isolated(placeName(place))), facts(pairs),
    el("div", { class: "plots" },
      el("figure", {}, el("figcaption", {}, "Roofline: operations a second against operations a byte"), roof),
      el("figure", {}, el("figcaption", {}, "Noise and disturbance over time"), time)));
  return { element, draw: async () => { await roofline(roof, machine); await overTime(time, machine, all); } };
}

function ceilings(best) {
  const rates = Object.entries(best.flops).map(([dtype, rate]) => `${dtype} ${human(rate, "FLOP/s")}`);
  return [...rates, best.bandwidth ? `copy ${human(best.bandwidth, "B/s")}` : null].filter(Boolean).join(", ");
}

/* Source: Williams, Waterman, Patterson, "Roofline", Communications of the ACM 52 (2009). */
async function roofline(place, machine) {
  if (!machine.roofline.length) return show(place, el("p", { class: "quiet" }, "No case says how many operations and bytes it takes (work formula)."));
  const candidates = [...new Map(machine.roofline.map((point) => [point[2], point[8]]))];
  const xs = machine.roofline.map((point) => point[4]);
  const [left, right] = [Math.min(...xs) / 3, Math.max(...xs) * 3];
  const dtypes = distinct(machine.roofline.map((point) => point[3]));
  const roofs = !machine.ceilings ? [] : dtypes.map((dtype) => [dtype, machine.ceilings.flops[dtype]]).filter(([, rate]) => rate && machine.ceilings.bandwidth).map(([dtype, rate]) => {
    const knee = rate / machine.ceilings.bandwidth;
    const x = [left, ...(knee > left && knee < right ? [knee] : []), right];
    return { type: "scatter", mode: "lines", x, y: x.map((at) => Math.min(rate, at * machine.ceilings.bandwidth)), line: { color: "#8C8C8C", width: 2 }, hoverinfo: "text", hovertext: x.map(() => lines(`ceiling of ${dtype}: ${human(rate, "FLOP/s")}`, `copy ${human(machine.ceilings.bandwidth, "B/s")}`)), showlegend: false };
  });
  const cases = candidates.map(([candidate, i]) => {
    const some = machine.roofline.filter((point) => point[2] === candidate);
    return { type: "scatter", mode: "markers", name: label(candidate), x: some.map((p) => p[4]), y: some.map((p) => p[5]), hoverinfo: "text", customdata: some.map((p) => p[0]),
      hovertext: some.map((p) => lines(p[1], `${human(p[5], "FLOP/s")} at ${significant(p[4], 3)} FLOP/B`, p[6] === null ? "" : `${percent(p[6])} of the ${p[7]} ceiling`)), marker: { size: 8, color: colour(i), symbol: symbol(i) } };
  });
  const ys = [...machine.roofline.map((p) => p[5]), ...roofs.flatMap((roof) => roof.y)];
  const ticks = logTicks(left, right, 10);
  await plot(place, [...roofs, ...cases], { height: 420, ...LEGEND, yaxis: valueAxis(ys, "FLOP/s", "", true), xaxis: { type: "log", range: [Math.log10(left), Math.log10(right)], tickvals: ticks, ticktext: ticks.map((tick) => String(tick)), title: { text: "FLOP a byte", standoff: 12 } } },
    (there) => there.on("plotly_click", ({ points: [{ customdata }] }) => { if (customdata) location.href = state.link("case", { case: customdata }); }));
}

async function overTime(place, machine, all) {
  const rows = machine.over_time.map(([number, noise, disturbed, samples]) => ({ run: all.byNumber.get(number), noise, share: samples ? disturbed / samples : 0 }));
  const x = rows.map((_, i) => i);
  const step = Math.max(1, Math.ceil(rows.length / 6));
  const ticks = x.filter((i) => (rows.length - 1 - i) % step === 0);
  const line = (name, values, i) => ({ type: "scatter", mode: "lines+markers", name, x, y: values, hoverinfo: "text", hovertext: rows.map((row, at) => lines(runName(row.run), `${name} ${percent(values[at])}`)), line: { color: colour(i), width: 1.5 }, marker: { color: colour(i), symbol: symbol(i), size: 7 } });
  const most = Math.max(0.01, ...rows.flatMap((row) => [row.noise ?? 0, row.share])) * 1.1;
  const marks = linearTicks(0, most, "%");
  await plot(place, [line("typical half width of an interval", rows.map((row) => row.noise), 0), line("disturbed samples", rows.map((row) => row.share), 3)],
    { height: 420, ...LEGEND, xaxis: { tickvals: ticks, ticktext: ticks.map((i) => `${shortHash(rows[i].run.commit)}<br>${day(rows[i].run.time)}`), range: [-0.5, rows.length - 0.5] }, yaxis: { range: [0, most], tickvals: marks, ticktext: marks.map((tick) => percent(tick)) } });
}
