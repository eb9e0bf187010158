// Plots with uPlot: gaps stay gaps, limits are drawn in, announced radio silence is
// shaded and named. An axis shows at least its data-least-span, so that noise stays
// small; where data-band is given, the band is the uncertainty, k = 2. Times are in
// the centre's zone, as everywhere on the page.
/* global uPlot */

const plots = new Map();
const OFFSET_MIN = Number(document.querySelector("[data-offset]").dataset.offset);
// In the names of these zones the sign is turned round.
const ZONE = OFFSET_MIN % 60 === 0 && OFFSET_MIN !== 0 ? `Etc/GMT${OFFSET_MIN > 0 ? "-" : "+"}${Math.abs(OFFSET_MIN) / 60}` : "Etc/UTC";
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function drawPlots(answer, nowS) {
  for (const box of document.querySelectorAll("[data-plot]")) {
    const lines = linesOf(box, answer);
    if (lines.length === 0) continue;
    plots.get(box)?.destroy();
    const plot = new uPlot(options(box, answer, lines), dataOf(box, lines, answer.gap_s), box);
    plots.set(box, plot);
  }
}

function linesOf(box, answer) {
  const quantities = box.dataset.quantities.split(" ");
  return answer.series.filter((s) => quantities.includes(s.quantity) && s.sensor.startsWith(box.dataset.prefix) && s.at_s.length > 0);
}

// One axis for all lines, and an empty place in every gap.
function dataOf(box, lines, gapS) {
  const tables = lines.map((line) => {
    const at = line.at_s, table = [[], ...columnsOf(box).map(() => [])];
    const add = (time, values) => table.forEach((column, i) => column.push(i === 0 ? time : values[i - 1]));
    for (let i = 0; i < at.length; i += 1) {
      if (i > 0 && at[i] - at[i - 1] > gapS) add(at[i - 1] + gapS / 3, table.slice(1).map(() => null));
      add(at[i], columnsOf(box).map((name) => line[name][i] * Number(box.dataset.factor)));
    }
    return table;
  });
  // One mode for each column, the times' own included: 2 widens a gap to its neighbours.
  return uPlot.join(tables, tables.map((t) => t.map(() => 2)));
}

// Of a banded line the lower and upper edge come first, so that it is on top.
function columnsOf(box) {
  return box.dataset.band ? ["minimum", "maximum", "value"] : [box.dataset.column];
}

function seriesOf(box, lines, colours) {
  if (box.dataset.band) {
    const edge = { stroke: "transparent", width: 0, points: { show: false } };
    return lines.flatMap((line, i) => [edge, edge, { label: line.quantity, stroke: colours[i % 4], width: 2, dash: i % 2 ? [6, 4] : undefined, points: { show: line.at_s.length < 3 } }]);
  }
  return lines.map((line, i) => ({ label: line.sensor, stroke: colours[i % 4], width: 1.7, dash: i % 2 ? [6, 4] : undefined, points: { show: line.at_s.length < 3 }, spanGaps: false }));
}

function options(box, answer, lines) {
  const ink = style("--ink"), soft = style("--soft"), grid = style("--line");
  const colours = [0, 1, 2, 3].map((i) => style(`--line-${i}`));
  const axis = { stroke: soft, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui" };
  const digits = Number(box.dataset.digits), isLog = box.dataset.scale === "log";
  return {
    width: box.clientWidth, height: 220, legend: { show: false }, cursor: { drag: { x: true, y: false } },
    tzDate: (t) => uPlot.tzDate(new Date(t * 1000), ZONE),
    scales: { x: { time: true }, y: isLog ? { distr: 3 } : { range: (_u, low, high) => rangeOf(box, answer, low, high) } },
    axes: [{ ...axis, values: (_u, times, _i, _s, step) => times.map((t) => timeText(t, step)), space: 70 }, { ...axis, size: 52, grid: { ...axis.grid, ...(isLog ? { filter: (_u, splits) => splits.map((v) => (powerText(v) ? v : null)) } : {}) }, values: (_u, splits) => splits.map((v) => (isLog ? powerText(v) : v.toFixed(splits[1] - splits[0] < 1 ? Math.max(1, digits) : 0))) }],
    series: [{}, ...seriesOf(box, lines, colours)],
    bands: box.dataset.band ? lines.map((_line, i) => ({ series: [3 * i + 2, 3 * i + 1], fill: `${style(i % 2 ? "--look-back" : "--accent-soft")}${i ? "a0" : ""}` })) : undefined,
    hooks: { drawClear: [(u) => shade(u, answer, style("--info-back"), soft)], draw: [(u) => { if (box.dataset.plot === "temperature") limits(u, answer, style("--act")); level(u, box, ink); mark(u, ink); }] },
  };
}

function powerText(v) {
  return v !== null && Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9 ? String(v) : "";
}

function timeText(t, stepS) {
  const at = new Date((t + OFFSET_MIN * 60) * 1000);
  const day = at.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const hour = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
  return stepS >= 86400 || hour === "00:00" ? day : hour;
}

function rangeOf(box, answer, low, high) {
  const known = box.dataset.plot === "temperature" ? [answer.temperature_min_c, answer.temperature_max_c].filter((v) => v !== null) : [];
  const from = Math.min(low, ...known), to = Math.max(high, ...known);
  const margin = Math.max((to - from) * 0.08, Math.abs(to) * 0.005, 0.2);
  const least = Number(box.dataset.leastSpan), floor = box.dataset.low;
  if (floor !== "") return [Number(floor), Math.max(to + margin, Number(floor) + least)];
  const short = Math.max(0, least - (to - from + 2 * margin)) / 2;
  return [from - margin - short, to + margin + short];
}

function level(u, box, ink) {
  if (!box.dataset.level) return;
  const y = u.valToPos(Number(box.dataset.level), "y", true), ratio = devicePixelRatio;
  u.ctx.save();
  u.ctx.strokeStyle = ink; u.ctx.fillStyle = ink; u.ctx.lineWidth = ratio; u.ctx.setLineDash([2 * ratio, 3 * ratio]);
  u.ctx.beginPath(); u.ctx.moveTo(u.bbox.left, y); u.ctx.lineTo(u.bbox.left + u.bbox.width, y); u.ctx.stroke();
  u.ctx.font = `${12 * ratio}px system-ui`; u.ctx.textAlign = "left"; u.ctx.textBaseline = "bottom";
  u.ctx.fillText(box.dataset.levelText, u.bbox.left + 6 * ratio, y - 3 * ratio);
  u.ctx.restore();
}

function limits(u, answer, colour) {
  const limits_ = [[answer.temperature_min_c, "label minimum"], [answer.temperature_max_c, "label maximum"]];
  for (const [value, name] of limits_) {
    if (value === null) continue;
    const y = u.valToPos(value, "y", true), ratio = devicePixelRatio;
    u.ctx.save();
    u.ctx.strokeStyle = colour; u.ctx.fillStyle = colour; u.ctx.lineWidth = 1.5 * ratio;
    u.ctx.setLineDash([8 * ratio, 5 * ratio]);
    u.ctx.beginPath(); u.ctx.moveTo(u.bbox.left, y); u.ctx.lineTo(u.bbox.left + u.bbox.width, y); u.ctx.stroke();
    u.ctx.font = `${12 * ratio}px system-ui`; u.ctx.textAlign = "left";
    u.ctx.fillText(`${name} ${value} °C`, u.bbox.left + 6 * ratio, y + (name.endsWith("minimum") ? -5 : 14) * ratio);
    u.ctx.restore();
  }
}

function shade(u, answer, colour, ink) {
  for (const [from, to] of answer.silences) {
    const x0 = Math.max(u.valToPos(from, "x", true), u.bbox.left), x1 = Math.min(u.valToPos(to, "x", true), u.bbox.left + u.bbox.width);
    if (x1 <= x0) continue;
    u.ctx.save();
    u.ctx.fillStyle = colour; u.ctx.fillRect(x0, u.bbox.top, x1 - x0, u.bbox.height);
    u.ctx.fillStyle = ink; u.ctx.font = `${11 * devicePixelRatio}px system-ui`; u.ctx.textBaseline = "top";
    const isRight = x0 > u.bbox.left + u.bbox.width * 0.75;
    u.ctx.textAlign = isRight ? "right" : "left";
    u.ctx.fillText("radio silence", isRight ? x1 - 3 * devicePixelRatio : x0 + 3 * devicePixelRatio, u.bbox.top + u.bbox.height * 0.8);
    u.ctx.restore();
  }
}

function mark(u, ink) {
  u.ctx.save(); u.ctx.setLineDash([]); u.ctx.strokeStyle = ink; u.ctx.globalAlpha = 0.25; u.ctx.strokeRect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); u.ctx.restore();
}

let pending = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(() => { for (const [box, plot] of plots) plot.setSize({ width: box.clientWidth, height: 220 }); });
});
