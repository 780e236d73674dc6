// A click on a head sorts what it heads: the best first, then the worst first, then as it was.
const missing = (value) => value === undefined || value === null || value === "" || Number.isNaN(value);
const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);

// The order of `values`: 1 rising, -1 falling, 0 as they are; what is missing comes last.
function ordered(values, direction) {
  const order = values.map((_, i) => i);
  return direction && order.sort((a, b) => missing(values[a]) - missing(values[b]) || (missing(values[a]) ? 0 : direction * compare(values[a], values[b]))) || order;
}

// Make a head a button. `values()` are what it sorts by, `rearrange(order)` does it, `first` is the first direction.
function sortable(head, values, rearrange, first) {
  const button = make("button", { type: "button", className: "sort", title: "sort", onclick: () => {
    const now = { ascending: 1, descending: -1 }[head.getAttribute("aria-sort")] || 0;
    const direction = now === 0 ? first : now === first ? -first : 0;
    for (const other of head.closest("table").querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    if (direction) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    rearrange(ordered(values(), direction));
  } }, ...head.childNodes);
  head.append(button);
}

// Tables of results: a column sorts the methods below each other, a row those beside each other.
function resultsTable(table) {
  const value = (cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : null);
  const cellsOf = (row) => [...row.querySelectorAll("td")];
  const first = (head) => ("lower" in head.dataset ? 1 : -1);
  if (table.dataset.layout === "methods_across") {
    const rows = [...table.querySelectorAll("tbody tr")].map((row) => [row, cellsOf(row)]);
    const heads = [...table.tHead.rows[0].cells].slice(2);
    rows.push([table.tHead.rows[0], heads]);
    for (const [row, cells] of rows.slice(0, -1)) {
      const rearrange = (order) => rows.forEach(([of, all]) => of.append(...order.map((i) => all[i])));
      const head = row.querySelector("[data-metric]");
      sortable(head, () => cells.map(value), rearrange, first(head));
    }
    return;
  }
  const bodies = [...table.tBodies];
  [...table.querySelectorAll("thead [data-metric]")].forEach((head, column) => {
    sortable(head, () => bodies.map((body) => value(cellsOf(body.rows[0])[column])), (order) => table.append(...order.map((i) => bodies[i])), first(head));
  });
}

// Other tables: a column that heads numbers sorts as numbers.
function plainTable(table) {
  if (!table.tHead) return;
  const rows = [...table.tBodies[0].rows];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.textContent) return;
    const text = (row) => row.cells[column].textContent.trim();
    const values = () => rows.map((row) => (head.classList.contains("n") ? parseFloat(text(row).replace("−", "-").replace("[", "")) : text(row)));
    sortable(head, values, (order) => table.tBodies[0].append(...order.map((i) => rows[i])), 1);
  });
}

// Heads stick to the top of the window where the table fits; a wider one has a box of its own to scroll in.
function fitTables() {
  const boxes = [...document.querySelectorAll(".scroll")].filter((box) => box.firstElementChild);
  const fits = boxes.map((box) => box.firstElementChild.offsetWidth <= box.clientWidth);
  boxes.forEach((box, i) => box.classList.toggle("fits", fits[i]));
}

// Scores of a run are written out when they are asked for.
function writeScores(details) {
  const box = details.querySelector(".scroll");
  if (!details.open || box.childElementCount) return;
  const { run } = details.closest("[data-run]").dataset;
  const metrics = Object.entries(data.metrics);
  const head = make("tr", {}, make("th", {}, "dataset"), make("th", {}, "image"), ...metrics.map(([, metric]) => make("th", { className: "n" }, metric.head)));
  const rows = Object.entries(data.scores[run] || {}).flatMap(([dataset, table]) => table.image.map((image, i) => make("tr", {}, make("td", {}, dataset), make("td", {}, image),
    ...metrics.map(([name]) => make("td", { className: "n" }, table[name][i] === null ? "–" : String(table[name][i]))))));
  box.append(make("table", { className: "plain" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  plainTable(box.firstElementChild);
}

function startTables() {
  for (const table of document.querySelectorAll("table.results")) resultsTable(table);
  for (const table of document.querySelectorAll("table.plain")) plainTable(table);
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", () => {
      if (details.matches(".scores")) writeScores(details);
      fitTables();
    });
  }
  window.addEventListener("resize", fitTables);
  fitTables();
}
