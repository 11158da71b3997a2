"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function draw(place) {
  const { data, layout } = figures[Number(place.dataset.figure)];
  const style = getComputedStyle(document.documentElement);
  const [text, line, panel] = ["--text", "--line", "--panel"].map((name) => style.getPropertyValue(name).trim());
  layout.font = { color: text, family: "system-ui, sans-serif", size: 13 };
  layout.hoverlabel = { bgcolor: panel, bordercolor: line, font: { color: text }, align: "left" };
  for (const axis of [layout.xaxis, layout.yaxis]) axis.gridcolor = line;
  Plotly.react(place, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}

const places = document.querySelectorAll(".plot");
dark.addEventListener("change", () => places.forEach(draw));
places.forEach(draw);
