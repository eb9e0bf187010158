// The route on a map of land and borders, drawn here from a file of this server.
/* global d3, topojson */

const SVG = "http://www.w3.org/2000/svg";
const ATLAS = "/static/vendor/world-atlas/countries-50m.json";
const GAP_S = 1800;
const LEAST_DEG = 0.6;
const NARROW_PX = 500;
let atlas;

function make(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

export async function drawMap(box, route, offsetMin) {
  atlas ??= await fetch(ATLAS).then((r) => r.json());
  const fixes = route.fixes.map((f) => [f.longitude_deg, f.latitude_deg, Date.parse(f.at) / 1000]);
  const places = route.places.map((p, i) => [p.longitude_deg, p.latitude_deg, route.place_names[i], timeText(p.at, offsetMin)]);
  if (fixes.length === 0 && places.length === 0) { box.replaceChildren(); return; }
  const width = box.clientWidth, height = box.clientHeight;
  const projection = fit([...fixes, ...places], width, height);
  const path = d3.geoPath(projection);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const countries = topojson.feature(atlas, atlas.objects.countries).features;
  make(svg, "path", { class: "graticule", d: path(d3.geoGraticule().step([2, 2])()) });
  for (const country of countries) {
    const d = path(country);
    if (d) make(svg, "path", { class: "land", d });
  }
  const taken = [];
  const gaps = drawRoute(svg, fixes, path);
  const spots = once(places).map(([x, y, name, time]) => [projection([x, y]), width < NARROW_PX ? name : `${name}, ${time}`, "place", 4.5]);
  if (fixes.length) spots.push([projection(fixes.at(-1)), "last fix", "here", 7.5]);
  for (const [[x, y], , kind, r] of spots) { make(svg, "circle", { class: kind, cx: x, cy: y, r }); taken.push([x - r, y - r, x + r, y + r]); }
  for (const [at, name] of spots) label(svg, at, name, taken, width, height);
  for (const gap of gaps) if (isSilent(gap, route.silences)) label(svg, path.centroid(gap.line), "radio silence", taken, width, height, "why");
  names(svg, countries, path, taken, width, height);
  scale(svg, projection, width, height);
  box.replaceChildren(svg);
}

function timeText(instant, offsetMin) {
  const at = new Date(Date.parse(instant) + offsetMin * 60000);
  const day = at.toLocaleDateString("en-GB", { weekday: "short", timeZone: "UTC" });
  return `${day} ${at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" })}`;
}

function isSilent(gap, silences) {
  return silences.some(([from, to]) => from < gap.to && to > gap.from);
}

function fit(points, width, height) {
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const middle = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
  const half = Math.max(LEAST_DEG, (Math.max(...ys) - Math.min(...ys)) / 2, (Math.max(...xs) - Math.min(...xs)) / 2 * Math.cos(middle[1] * Math.PI / 180) * height / width);
  const frame = { type: "MultiPoint", coordinates: [...points.map((p) => [p[0], p[1]]), [middle[0], middle[1] - half], [middle[0], middle[1] + half]] };
  const pad = 46;
  return d3.geoMercator().clipExtent([[-10, -10], [width + 10, height + 10]]).fitExtent([[pad, pad], [width - pad, height - pad]], frame);
}

// Returns the gaps that are drawn, with their instants.
function drawRoute(svg, fixes, path) {
  const gaps = [];
  let piece = [];
  const flush = () => { if (piece.length > 1) make(svg, "path", { class: "route", d: path({ type: "LineString", coordinates: piece }) }); };
  fixes.forEach((fix, i) => {
    const former = fixes[i - 1];
    if (former && fix[2] - former[2] > GAP_S) {
      flush();
      const line = { type: "LineString", coordinates: [former.slice(0, 2), fix.slice(0, 2)] };
      gaps.push({ line, from: former[2], to: fix[2], box: make(svg, "path", { class: "route gap", d: path(line) }) });
      piece = [];
    }
    piece.push(fix.slice(0, 2));
  });
  flush();
  return gaps.filter((gap) => path.measure(gap.line) > 60);
}

function names(svg, countries, path, taken, width, height) {
  for (const country of countries) {
    const [x, y] = path.centroid(country), area = path.area(country), half = country.properties.name.length * 3.8;
    if (area > 9000 && isFree([x - half, y - 10, x + half, y + 3], taken, width, height)) make(svg, "text", { class: "country", x, y }, country.properties.name);
  }
}

function isFree([x0, y0, x1, y1], taken, width, height) {
  return x0 > 4 && y0 > 4 && x1 < width - 4 && y1 < height - 4 && taken.every((b) => x1 < b[0] || x0 > b[2] || y1 < b[1] || y0 > b[3]);
}

// Beside, below or above its point, last moved into the picture: the first free place.
function label(svg, [x, y], name, taken, width, height, kind = "name") {
  const long = name.length * 6.7;
  const inside = Math.max(5, Math.min(x - long / 2, width - long - 5));
  const tries = [[x + 11, y + 4], [x - 11 - long, y + 4], [x + 8, y + 20], [x - 8 - long, y + 20], [x + 8, y - 11], [x - 8 - long, y - 11], [inside, y + 20], [inside, y - 11], [inside, y + 36], [inside, y - 27]].map(([left, base]) => [left, base - 12, left + long, base + 4]);
  const found = tries.find((b) => isFree(b, taken, width, height)) ?? tries[x > width * 0.6 ? 1 : 0];
  taken.push(found);
  make(svg, "text", { class: kind, x: found[0], y: found[3] - 4 }, name);
}

function once(places) {
  return [...new Map(places.map((p) => [p[2], p])).values()];
}

function scale(svg, projection, width, height) {
  const [left, right] = [projection.invert([20, height - 20]), projection.invert([140, height - 20])];
  const km = d3.geoDistance(left, right) * 6371;
  const nice = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].filter((n) => n <= km).at(-1) ?? 1;
  const length = 120 * nice / km;
  make(svg, "path", { class: "scale", d: `M20 ${height - 24}v6h${length}v-6` });
  make(svg, "text", { x: 24, y: height - 26 }, `${nice} km`);
}
