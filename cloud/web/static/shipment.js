// The plots and the map of one shipment.
import { nowMs } from "/static/live.js";
import { drawMap } from "/static/map.js";
import { drawPlots } from "/static/plots.js";

const shipment = document.querySelector("[data-shipment]").dataset.shipment;
const base = `/api/shipments/${encodeURIComponent(shipment)}`;
const REST_MS = 2500;
const MAX_POINTS = 240;
const drawn = [...document.querySelectorAll("[data-plot]")].flatMap((box) => box.dataset.quantities.split(" "));
const asked = [...new Set(drawn)].map((name) => `&quantity=${name}`).join("");
const offsetMin = Number(document.querySelector("[data-offset]").dataset.offset);
let readAt = -Infinity;
let isReading = false;

async function read() {
  if (isReading || performance.now() - readAt < REST_MS) return;
  isReading = true;
  try {
    const map = document.getElementById("map");
    const [series, route] = await Promise.all([
      fetch(`${base}/series?max_points=${MAX_POINTS}${asked}`).then((r) => (r.ok ? r.json() : null)),
      map ? fetch(`${base}/route`).then((r) => (r.ok ? r.json() : null)) : null,
    ]);
    if (series) drawPlots(series, nowMs() / 1000);
    if (map && route) await drawMap(map, route, offsetMin);
  } catch { /* the next event reads again */ }
  readAt = performance.now();
  isReading = false;
}

document.addEventListener("exchanged", read);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readAt = -Infinity; read(); });
window.addEventListener("load", read);
if (document.readyState === "complete") read();

// The weight is a patient's: it stays in this field, is never stored and never sent.
function showVolume() {
  const field = document.getElementById("weight");
  if (!field) return;
  const perKg = Number(document.querySelector("[data-ml-per-kg]").dataset.mlPerKg);
  const weightKg = Number(field.value.replace(",", "."));
  const isWeight = weightKg > 0 && weightKg < 500;
  document.getElementById("weight-volume").textContent = isWeight ? `${(weightKg * perKg).toFixed(2)} mL` : "";
}

document.getElementById("weight")?.addEventListener("input", showVolume);
document.addEventListener("exchanged", showVolume);
