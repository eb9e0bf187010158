// The route on a map of land and borders, drawn here from a file of this server.
/* global d3, topojson */

const SVG = "http://www.w3.org/2000/svg";
const ATLAS = "/static/vendor/world-atlas/countries-50m.json";
const GAP_S = 1800;
const LEAST_DEG = 0.6;
let atlas;

function make(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

export async function drawMap(box, route) {
  atlas ??= await fetch(ATLAS).then((r) => r.json());
  const fixes = route.fixes.map((f) => [f.longitude_deg, f.latitude_deg, Date.parse(f.at) / 1000]);
  const places = route.places.map((p, i) => [p.longitude_deg, p.latitude_deg, route.place_names[i]]);
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
  names(svg, countries, path, width, height);
  drawRoute(svg, fixes, path);
  for (const [x, y, name] of once(places)) spot(svg, projection([x, y]), name, "place", 4.5, width);
  if (fixes.length) spot(svg, projection(fixes.at(-1)), "last fix", "here", 7.5, width);
  scale(svg, projection, width, height);
  box.replaceChildren(svg);
}

function fit(points, width, height) {
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const middle = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
  const half = Math.max(LEAST_DEG, (Math.max(...ys) - Math.min(...ys)) / 2, (Math.max(...xs) - Math.min(...xs)) / 2 * Math.cos(middle[1] * Math.PI / 180) * height / width);
  const frame = { type: "MultiPoint", coordinates: [...points.map((p) => [p[0], p[1]]), [middle[0], middle[1] - half], [middle[0], middle[1] + half]] };
  const pad = 46;
  return d3.geoMercator().clipExtent([[-10, -10], [width + 10, height + 10]]).fitExtent([[pad, pad], [width - pad, height - pad]], frame);
}

function drawRoute(svg, fixes, path) {
  let piece = [];
  const flush = (kind) => { if (piece.length > 1) make(svg, "path", { class: kind, d: path({ type: "LineString", coordinates: piece }) }); };
  fixes.forEach((fix, i) => {
    if (i > 0 && fix[2] - fixes[i - 1][2] > GAP_S) {
      flush("route");
      piece = [fixes[i - 1].slice(0, 2), fix.slice(0, 2)];
      flush("route gap");
      piece = [];
    }
    piece.push(fix.slice(0, 2));
  });
  flush("route");
}

function names(svg, countries, path, width, height) {
  for (const country of countries) {
    const [x, y] = path.centroid(country), area = path.area(country);
    if (area > 9000 && x > 40 && x < width - 40 && y > 20 && y < height - 20) make(svg, "text", { class: "country", x, y }, country.properties.name);
  }
}

function once(places) {
  return [...new Map(places.map((p) => [p[2], p])).values()];
}

function spot(svg, [x, y], name, kind, r, width) {
  make(svg, "circle", { class: kind, cx: x, cy: y, r });
  const isRight = x > width * 0.7;
  make(svg, "text", { x: x + (isRight ? -11 : 11), y: y + (kind === "here" ? -9 : 16), "text-anchor": isRight ? "end" : "start" }, name);
}

function scale(svg, projection, width, height) {
  const [left, right] = [projection.invert([20, height - 20]), projection.invert([140, height - 20])];
  const km = d3.geoDistance(left, right) * 6371;
  const nice = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].filter((n) => n <= km).at(-1) ?? 1;
  const length = 120 * nice / km;
  make(svg, "path", { class: "scale", d: `M20 ${height - 24}v6h${length}v-6` });
  make(svg, "text", { x: 24, y: height - 26 }, `${nice} km`);
}
