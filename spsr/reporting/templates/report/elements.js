"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) key in node ? (node[key] = value) : node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const option = (value, text) => make("option", { value }, text);

// What panels show: the original, and every run.
const runs = ["HR", ...Object.keys(data.titles)];
const title = (run) => (run === "HR" ? "HR" : data.titles[run] || run);

// The score of a run for an image; names in score files and of prepared images are the same.
function scoreOf(run, { dataset, image }, metric) {
  const table = (data.scores[run] || {})[dataset];
  const row = table ? table.image.indexOf(image) : -1;
  return row < 0 ? null : table[metric][row];
}
