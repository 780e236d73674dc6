// Maps in colours: the square root of the value, so that small ones are seen and the largest are told apart.
const INFERNO = ["#000004", "#1f0c48", "#550f6d", "#88226a", "#ba3655", "#e35933", "#f98c0a", "#f9c932", "#fcffa4"];
const MAPS = {
  error: { says: "mean difference from HR over R, G and B, of 255", full: 255, ticks: [0, 5, 20, 60, 130, 255] },
  lpips: { says: "local LPIPS", full: 1, ticks: [0, 0.02, 0.1, 0.25, 0.5, "1 and more"] },
};

function inferno(fraction) {
  const at = Math.min(fraction, 0.9999) * (INFERNO.length - 1);
  const channel = (colour, c) => parseInt(INFERNO[colour].slice(1 + 2 * c, 3 + 2 * c), 16) / 255;
  return [0, 1, 2].map((c) => channel(Math.floor(at), c) * (1 - (at % 1)) + channel(Math.floor(at) + 1, c) * (at % 1));
}

function fillColours() {
  const table = Array.from({ length: 256 }, (_, value) => inferno(Math.sqrt(value / 255)));
  ["R", "G", "B"].forEach((name, c) => {
    document.querySelector(`#colours feFunc${name}`).setAttribute("tableValues", table.map((colour) => colour[c].toFixed(3)).join(" "));
  });
}

function showScale(kind) {
  const map = MAPS[kind];
  byId("scale").hidden = !map;
  if (!map) return;
  const ticks = map.ticks.map((tick) => make("span", { style: `left: ${100 * Math.sqrt(parseFloat(tick) / map.full)}%` }, String(tick)));
  byId("scale").replaceChildren(
    make("i", { style: `background: linear-gradient(to right, ${INFERNO.join(", ")})` }),
    make("div", { className: "ticks" }, ...ticks),
    make("small", {}, map.says),
  );
}
