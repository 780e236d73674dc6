// A panel for each run, and two runs over each other with a divider between them.
const pinned = new Set();

function stack(run) {
  const kind = byId("pick-map").value;
  const file = (kind === "lpips" && run !== "HR" ? current.lpips : current.files)[run];
  if (!file) return make("div", { className: "gap" }, kind === "lpips" ? "no map" : "no image");
  const node = make("div", { className: kind === "lpips" && run === "HR" ? "stack original" : "stack" });
  const shows = { plain: "", error: "error of ", lpips: "LPIPS map of ", gradient: "edges of " }[kind];
  const picture = (src, alt, name) => make("img", {
    className: name, loading: "lazy", draggable: false, alt, src,
    onerror: () => {
      byId("alone").hidden = false;
      node.replaceWith(make("div", { className: "gap" }, "This image is not beside the report."));
    },
  });
  node.append(picture(file, `${shows}${title(run)}: ${current.image} from ${current.dataset}`, "picture"));
  if (kind === "error") node.append(picture(current.files.HR, "", "picture top"));
  return node;
}

function scoreLine(run) {
  if (run === "HR") return ["original"];
  const values = Object.entries(data.metrics).map(([name, metric]) => [metric, scoreOf(run, current, name)]);
  if (values.every(([, value]) => value === null)) return ["no scores"];
  return values.map(([metric, value]) => make("span", { className: "score" }, `${metric.title} ${value === null ? "–" : value.toFixed(metric.digits)}`));
}

// HR first, then what is pinned, then the rest that the filter leaves, by score if asked for.
function shownRuns() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const metric = byId("panel-sort").value;
  const rank = (run) => (run === "HR" ? 0 : pinned.has(run) ? 1 : 2);
  const cost = (run) => {
    const value = scoreOf(run, current, metric);
    return value === null ? Infinity : data.metrics[metric].lower ? value : -value;
  };
  return runs
    .filter((run) => rank(run) < 2 || title(run).toLowerCase().includes(wanted))
    .sort((a, b) => rank(a) - rank(b) || (metric && cost(a) - cost(b)) || 0);
}

function panel(run) {
  const frame = make("div", { className: "frame" }, stack(run));
  const pin = make("button", {
    type: "button", className: "pin", title: "keep in front", "aria-pressed": String(pinned.has(run)), "aria-label": `pin ${title(run)}`,
    onclick: () => { pinned.delete(run) || pinned.add(run); changed(); },
  }, pinned.has(run) ? "★" : "☆");
  const name = make("button", {
    type: "button", className: "name", title: "compare: show on the right",
    onclick: () => { byId("pick-right").value = run; changed(); },
  }, title(run));
  return make("figure", { "data-run": run }, frame, make("figcaption", {}, ...(run === "HR" ? [] : [pin]), name, make("br"), ...scoreLine(run)));
}

function slide() {
  const at = Number(byId("slider").value);
  byId("compare").querySelector(".over-pane").style.clipPath = `inset(0 ${100 - at}% 0 0)`;
  byId("left-name").hidden = at === 0;
  byId("right-name").hidden = at === 100;
}

// All of left, all of right, in turn.
function flip() {
  byId("slider").value = Number(byId("slider").value) === 100 ? 0 : 100;
  slide();
}

function draw() {
  const kind = byId("pick-map").value;
  byId("browser").className = `map-${kind}`;
  byId("panels").replaceChildren(...shownRuns().map(panel));
  for (const side of ["left", "right"]) {
    const run = byId(`pick-${side}`).value;
    byId("compare").querySelector(side === "left" ? ".over-pane" : ".under-pane").replaceChildren(stack(run));
    byId(`${side}-name`).textContent = title(run);
  }
  slide();
  showScale(kind);
  const [width, height] = current.part ? current.part.slice(2) : current.size;
  const part = current.part ? `${current.size.join("×")} at ${current.part.slice(0, 2).join(", ")} of ${width}×${height} pixels` : `${width}×${height} pixels`;
  byId("picked").replaceChildren(make("b", {}, `${current.image} from ${current.dataset}`), make("span", { className: "quiet" }, `${part}; standard deviation of LPIPS over methods ${current.spread.toFixed(4)}`));
  place();
}
