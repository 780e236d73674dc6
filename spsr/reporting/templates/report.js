"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) key in node ? (node[key] = value) : node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const title = (run) => (run === "HR" ? "HR" : data.titles[run] || run);

// Scores of a run for an image; names in score files and of prepared images are the same.
const scoreOf = (run, dataset, image, metric) => {
  const table = (data.scores[run] || {})[dataset];
  const row = table ? table.image.indexOf(image) : -1;
  return row < 0 ? null : table[metric][row];
};
const spread = (entry) => {
  const values = Object.keys(data.scores).map((run) => scoreOf(run, entry.dataset, entry.image, "lpips")).filter((v) => v !== null);
  if (values.length < 2) return 0;
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
};

// The shown part of the image: zoom, and its centre in fractions of the image. All panels follow it.
const view = { zoom: 1, x: 0.5, y: 0.5 };
let current = null;

const layers = () => document.querySelectorAll("#browser .picture");
function place() {
  const half = 0.5 / view.zoom;
  view.x = Math.min(1 - half, Math.max(half, view.x));
  view.y = Math.min(1 - half, Math.max(half, view.y));
  for (const layer of layers()) {
    const [width, height] = current.size;
    const side = layer.parentElement.clientWidth || 1;
    const fit = side / Math.max(width, height);
    const shownWidth = width * fit * view.zoom, shownHeight = height * fit * view.zoom;
    layer.style.backgroundSize = `${shownWidth}px ${shownHeight}px`;
    const offset = (shown, centre) => (shown <= side ? (side - shown) / 2 : Math.min(0, Math.max(side - shown, side / 2 - centre * shown)));
    layer.style.backgroundPosition = `${offset(shownWidth, view.x)}px ${offset(shownHeight, view.y)}px`;
  }
  byId("zoom").value = view.zoom;
}

function stack(run) {
  const kind = byId("pick-map").value;
  const url = (kind === "lpips" && run !== "HR" ? current.lpips : current.files)[run];
  if (!url) return make("div", { className: "gap" }, kind === "lpips" ? "no map" : "no image");
  const node = make("div", { className: "stack" });
  const picture = (file, extra) => {
    const layer = make("div", { className: `picture ${extra}` });
    layer.style.backgroundImage = `url("${file}")`;
    return layer;
  };
  node.append(picture(url, ""));
  if (kind === "error") node.append(picture(current.files.HR, "top"));
  return node;
}

function scoreLine(run) {
  if (run === "HR") return "original";
  const values = Object.entries(data.metrics).map(([name, metric]) => [metric, scoreOf(run, current.dataset, current.image, name)]);
  if (values.every(([, value]) => value === null)) return "no scores";
  return values.map(([metric, value]) => `${metric.title} ${value === null ? "–" : value.toFixed(metric.digits)}`).join("  ");
}

function draw() {
  if (!current) return;
  byId("browser").className = `map-${byId("pick-map").value}`;
  const runs = ["HR", ...Object.keys(data.titles)];
  byId("panels").replaceChildren(...runs.map((run) => {
    const frame = make("div", { className: "panel-view" }, stack(run));
    return make("figure", {}, frame, make("figcaption", {}, make("b", {}, title(run)), make("br"), scoreLine(run)));
  }));
  const [under, over] = document.querySelectorAll("#compare .pane");
  under.replaceChildren(stack(byId("pick-right").value));
  over.replaceChildren(stack(byId("pick-left").value));
  slide();
  byId("picked").replaceChildren(make("b", {}, `${current.image} from ${current.dataset}`), make("span", { className: "quiet" }, `${current.size[0]}×${current.size[1]} pixels; standard deviation of LPIPS over methods ${spread(current).toFixed(4)}`));
  place();
}

function slide() {
  byId("compare").querySelector(".over-pane").style.clipPath = `inset(0 ${100 - byId("slider").value}% 0 0)`;
}

function list() {
  const entries = data.images.filter((entry) => entry.dataset === byId("pick-dataset").value);
  if (byId("pick-sort").value === "spread") entries.sort((a, b) => spread(b) - spread(a));
  byId("strip").replaceChildren(...entries.map((entry) => make("button", {
    title: entry.image,
    "aria-pressed": String(entry === current),
    onclick: () => { current = entry; Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 }); list(); draw(); },
  }, make("img", { src: entry.thumbnail, alt: entry.image }))));
  return entries;
}

function zoomTo(zoom) { view.zoom = Math.min(16, Math.max(1, zoom)); place(); }

function start() {
  if (!data.images.length) {
    byId("browser").replaceChildren("No prepared test images lie beside this report.");
    return;
  }
  const datasets = [...new Set(data.images.map((entry) => entry.dataset))];
  byId("pick-dataset").append(...datasets.map((name) => make("option", { value: name }, name)));
  const runs = ["HR", ...Object.keys(data.titles)];
  for (const id of ["pick-left", "pick-right"]) byId(id).append(...runs.map((run) => make("option", { value: run }, title(run))));
  byId("pick-left").value = "HR";
  byId("pick-right").value = runs[runs.length > 1 ? 1 : 0];
  const choose = () => { current = null; const entries = list(); current = entries[0]; list(); draw(); };
  byId("pick-dataset").onchange = choose;
  byId("pick-sort").onchange = list;
  for (const id of ["pick-map", "pick-left", "pick-right"]) byId(id).onchange = draw;
  byId("zoom").oninput = (event) => zoomTo(Number(event.target.value));
  byId("slider").oninput = slide;
  let from = null;
  const browser = byId("browser");
  const inside = (event) => event.target.id !== "slider" && event.target.closest(".compare, .panel-view");
  browser.addEventListener("wheel", (event) => { if (inside(event)) { event.preventDefault(); zoomTo(view.zoom * (event.deltaY < 0 ? 1.25 : 0.8)); } }, { passive: false });
  browser.addEventListener("pointerdown", (event) => { const frame = inside(event); if (frame) from = { x: event.clientX, y: event.clientY, side: frame.clientWidth }; });
  window.addEventListener("pointermove", (event) => {
    if (!from) return;
    view.x -= (event.clientX - from.x) / from.side / view.zoom;
    view.y -= (event.clientY - from.y) / from.side / view.zoom;
    Object.assign(from, { x: event.clientX, y: event.clientY });
    place();
  });
  window.addEventListener("pointerup", () => { from = null; });
  window.addEventListener("resize", place);
  choose();
}

// Scores of a run are written out when they are asked for.
for (const details of document.querySelectorAll("details.scores")) {
  details.addEventListener("toggle", () => {
    const box = details.querySelector(".scroll");
    if (!details.open || box.childElementCount) return;
    const run = details.closest("[data-run]").dataset.run;
    const metrics = Object.keys(data.metrics);
    const head = make("tr", {}, ...["dataset", "image", ...metrics].map((text) => make("th", { className: metrics.includes(text) ? "n" : "" }, text)));
    const rows = Object.entries(data.scores[run] || {}).flatMap(([dataset, table]) => table.image.map((image, i) => make("tr", {}, make("td", {}, dataset), make("td", {}, image),
      ...metrics.map((metric) => make("td", { className: "n" }, table[metric][i] === null ? "–" : String(table[metric][i]))))));
    box.append(make("table", { className: "plain" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  });
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
}
window.addEventListener("hashchange", openTarget);
start();
openTarget();
