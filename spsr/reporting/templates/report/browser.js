// Which image is shown, the controls and keys, and addresses that bring a view back.
const entriesOf = (dataset) => {
  const entries = data.images.filter((entry) => entry.dataset === dataset);
  return byId("pick-sort").value === "spread" ? entries.sort((a, b) => b.spread - a.spread) : entries;
};

function list() {
  byId("strip").replaceChildren(...entriesOf(byId("pick-dataset").value).map((entry) => make("button", {
    type: "button", title: entry.image, onclick: () => show(entry),
  }, make("img", { src: entry.thumbnail, alt: `${entry.image} from ${entry.dataset}` }))));
  mark();
}

function mark() {
  const strip = byId("strip");
  entriesOf(byId("pick-dataset").value).forEach((entry, i) => {
    const button = strip.children[i];
    button.setAttribute("aria-pressed", String(entry === current));
    if (entry === current) strip.scrollLeft = button.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
  });
}

function show(entry) {
  current = entry;
  Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
  mark();
  changed();
}

function step(by) {
  const entries = entriesOf(current.dataset);
  show(entries[(entries.indexOf(current) + by + entries.length) % entries.length]);
}

function changed() {
  draw();
  remember();
}

function remember() {
  const shown = new URLSearchParams({ image: `${current.dataset}/${current.image}`, left: byId("pick-left").value, right: byId("pick-right").value });
  if (byId("pick-map").value !== "plain") shown.set("show", byId("pick-map").value);
  if (view.zoom > 1) shown.set("at", [view.zoom, view.x, view.y].map((value) => Number(value.toFixed(4))).join(","));
  if (pinned.size) shown.set("pins", [...pinned].join(","));
  byId("permalink").href = `#${shown}`;
  // Where a page has no address of its own, as inside another one, the link is all.
  try { history.replaceState(null, "", `#${shown}`); } catch { /* the link holds it */ }
}

// Bring back the view of an address; false if the address is not that of a view.
function recall(hash) {
  const shown = new URLSearchParams(hash.slice(1));
  const entry = data.images.find(({ dataset, image }) => `${dataset}/${image}` === shown.get("image"));
  if (!entry) return false;
  byId("pick-dataset").value = entry.dataset;
  for (const side of ["left", "right"]) if (runs.includes(shown.get(side))) byId(`pick-${side}`).value = shown.get(side);
  byId("pick-map").value = shown.get("show") in MAPS || shown.get("show") === "gradient" ? shown.get("show") : "plain";
  pinned.clear();
  for (const run of (shown.get("pins") || "").split(",")) if (runs.includes(run)) pinned.add(run);
  const [zoom, x, y] = (shown.get("at") || "1,0.5,0.5").split(",").map(Number);
  current = entry;
  Object.assign(view, { zoom: Math.min(16, Math.max(1, zoom || 1)), x: x || 0.5, y: y || 0.5 });
  list();
  changed();
  return true;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, summary, .scroll")) return;
  const { top, bottom } = byId("browser").getBoundingClientRect();
  if (bottom < 0 || top > window.innerHeight) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    step(event.key === "ArrowLeft" ? -1 : 1);
  } else if (event.key === "f") flip();
}

function startBrowser() {
  if (!data.images.length) {
    byId("browser").replaceChildren("No prepared test images lie beside this report.");
    return;
  }
  fillColours();
  byId("pick-dataset").append(...[...new Set(data.images.map((entry) => entry.dataset))].map((name) => option(name, name)));
  for (const id of ["pick-left", "pick-right"]) byId(id).append(...runs.map((run) => option(run, title(run))));
  byId("panel-sort").append(...Object.entries(data.metrics).map(([name, metric]) => option(name, metric.head)));
  byId("pick-left").value = "HR";
  byId("pick-right").value = runs[runs.length > 1 ? 1 : 0];
  byId("pick-dataset").onchange = () => { list(); show(entriesOf(byId("pick-dataset").value)[0]); };
  byId("pick-sort").onchange = list;
  for (const id of ["pick-map", "pick-left", "pick-right", "panel-sort"]) byId(id).onchange = changed;
  byId("filter").oninput = draw;
  byId("zoom").oninput = (event) => zoomTo(Number(event.target.value));
  byId("zoom").onchange = remember;
  byId("slider").oninput = slide;
  byId("flip").onclick = flip;
  followPointer(byId("browser"), remember);
  window.addEventListener("resize", place);
  document.addEventListener("keydown", onKey);
  current = entriesOf(byId("pick-dataset").value)[0];
  list();
  draw();
}
