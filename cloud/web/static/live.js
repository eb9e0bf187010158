// Keeps a page current: the server's clock counts on at the speed it was seen to have,
// ages follow it, and parts marked data-live are exchanged when the server renders
// them differently. Every value is written by the server, none here.

const clock = { atMs: Date.parse(document.body.dataset.now), speed: Number(document.body.dataset.speed), since: performance.now() };

export function nowMs() {
  return clock.atMs + clock.speed * (performance.now() - clock.since);
}

const STEPS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 0, ""]];

function durationText(seconds) {
  const whole = Math.floor(Math.abs(seconds));
  for (const [size, unit, smaller, name] of STEPS) {
    if (whole >= size) {
      const rest = smaller ? Math.floor((whole % size) / smaller) : 0;
      return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${name}` : ""}`;
    }
  }
  return `${whole} s`;
}

export function ageText(seconds) {
  return seconds >= 0 ? `${durationText(seconds)} ago` : `in ${durationText(seconds)}`;
}

function countOn() {
  const now = nowMs();
  for (const element of document.querySelectorAll("time[data-age]")) {
    const limit = Number(element.dataset.staleS || Infinity);
    let seconds = (now - Date.parse(element.dateTime)) / 1000;
    // The clock here is counted on, a little behind or ahead of the server's.
    if (limit < Infinity && seconds < 0 && seconds > -5 * Math.max(1, clock.speed)) seconds = 0;
    const isStale = seconds > limit;
    const text = isStale ? `${ageText(seconds)}, stale` : ageText(seconds);
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("stale", isStale);
  }
  const shown = document.getElementById("clock");
  shown.textContent = new Date(now).toISOString().slice(0, 19).replace("T", " ");
}

const rendered = new Map();
for (const part of document.querySelectorAll("[data-live]")) rendered.set(part.id, part.innerHTML);
let isReading = false;
let isDue = false;

async function readAgain() {
  if (isReading) { isDue = true; return; }
  isReading = true;
  try {
    const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (response.ok) exchange(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch { /* the next event reads again */ }
  setTimeout(() => { isReading = false; if (isDue) { isDue = false; readAgain(); } }, 700);
}

function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const found = fresh.getElementById(part.id);
    if (!found || rendered.get(part.id) === found.innerHTML) continue;
    // Nobody loses what they are typing: it is exchanged once the form is closed.
    if (part.querySelector("details[open] form")) continue;
    rendered.set(part.id, found.innerHTML);
    if (part.contains(document.activeElement)) keepFocus(part, found); else part.replaceChildren(...found.childNodes);
  }
  countOn();
  document.dispatchEvent(new Event("exchanged"));
}

function keepFocus(part, found) {
  const stops = "a, summary, [tabindex]";
  const at = [...part.querySelectorAll(stops)].indexOf(document.activeElement);
  const opened = [...part.querySelectorAll("details")].map((d) => d.open);
  part.replaceChildren(...found.childNodes);
  part.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(opened[i]); });
  part.querySelectorAll(stops)[at]?.focus({ preventScroll: true });
}

function follow() {
  const link = document.getElementById("link");
  const source = new EventSource("/api/live");
  source.addEventListener("open", () => { link.textContent = "live"; });
  source.addEventListener("error", () => { link.textContent = "no connection, values age"; });
  source.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    clock.atMs = Date.parse(state.now);
    clock.speed = state.speed;
    clock.since = performance.now();
    link.textContent = "live";
    const isFast = state.exercise && state.speed > 1.5;
    document.getElementById("speed").textContent = isFast ? `, ×${Math.round(state.speed)}` : state.exercise ? ", simulated" : "";
    readAgain();
  });
}

countOn();
setInterval(countOn, 250);
follow();
