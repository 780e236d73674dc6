"use strict";
const { study, trials } = JSON.parse(document.getElementById("data").textContent);
const part = (id) => document.getElementById(id);
const stored = `spsr-study-${study}`;
const zooms = [1, 2, 4];
let zoom = 0;
let state = JSON.parse(localStorage.getItem(stored) || "null");

function shuffled(count) {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function begin(rater) {
  state = {
    rater,
    at: 0,
    order: shuffled(trials.length),
    shown: trials.map((trial) => shuffled(trial.options.length)),
    rankings: trials.map(() => []),
  };
  keep();
  show();
}

function keep() {
  localStorage.setItem(stored, JSON.stringify(state));
}

const trialNumber = () => state.order[state.at];
const complete = (number) => state.rankings[number].length === trials[number].options.length;

function show() {
  const over = state !== null && state.at === trials.length;
  part("start").hidden = state !== null;
  part("vote").hidden = state === null || over;
  part("end").hidden = !over;
  if (over) showEnd();
  else if (state !== null) showTrial();
}

function showTrial() {
  const number = trialNumber();
  part("progress").value = state.at;
  part("position").textContent = `${state.at + 1} of ${trials.length}`;
  part("reference").src = trials[number].reference;
  part("options").replaceChildren(...state.shown[number].map((option, place) => {
    const letter = String.fromCharCode(65 + place);
    const button = document.createElement("button");
    const image = document.createElement("img");
    image.src = trials[number].options[option];
    image.alt = `version ${letter}`;
    button.type = "button";
    button.dataset.option = option;
    const frame = document.createElement("span");
    frame.className = "frame";
    frame.append(image);
    button.append(frame, letter);
    button.addEventListener("click", () => choose(option));
    return button;
  }));
  part("back").disabled = state.at === 0;
  showRanks();
}

function showRanks() {
  const ranking = state.rankings[trialNumber()];
  for (const button of part("options").children) {
    const place = ranking.indexOf(Number(button.dataset.option));
    if (place < 0) delete button.dataset.rank;
    else button.dataset.rank = place + 1;
    button.setAttribute("aria-pressed", place >= 0);
  }
  const left = trials[trialNumber()].options.length - ranking.length;
  part("next").disabled = left > 0;
  part("hint").textContent = ranking.length === 0 ? "click the best one" : left > 0 ? "then the next best" : "";
}

function choose(option) {
  const ranking = state.rankings[trialNumber()];
  const place = ranking.indexOf(option);
  if (place < 0) ranking.push(option);
  else ranking.splice(place, 1);
  keep();
  showRanks();
}

function enlarge(place) {
  zoom = place;
  part("vote").style.setProperty("--zoom", zooms[zoom]);
  part("zoom").textContent = zoom ? `Zoom ${zooms[zoom]}×` : "Zoom";
}

function pointAt(event) {
  const frame = event.target.closest(".frame");
  if (!frame) return;
  const box = frame.getBoundingClientRect();
  const share = (at, start, length) => `${Math.min(100, Math.max(0, (100 * (at - start)) / length))}%`;
  part("vote").style.setProperty("--x", share(event.clientX, box.left, box.width));
  part("vote").style.setProperty("--y", share(event.clientY, box.top, box.height));
}

function go(step) {
  state.at += step;
  keep();
  show();
}

async function sha256(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function ballot() {
  const answers = state.rankings.map((ranking, trial) => ({ trial, ranking }));
  const lines = [study, state.rater, ...answers.map((answer) => `${answer.trial}:${answer.ranking.join(",")}`)];
  const checksum = await sha256(lines.join("\n"));
  return `${JSON.stringify({ format: "spsr ballot 1", study, rater: state.rater, answers, checksum }, null, 1)}\n`;
}

async function showEnd() {
  part("file").textContent = `votes-${state.rater.replace(/[^\p{L}\p{N}._-]+/gu, "_")}.json`;
  part("ballot").value = part("ballot").textContent = await ballot();
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([part("ballot").value], { type: "application/json" }));
  link.download = part("file").textContent;
  link.click();
  URL.revokeObjectURL(link.href);
}

part("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const rater = part("rater").value.trim();
  if (rater) begin(rater);
});
part("back").addEventListener("click", () => go(-1));
part("next").addEventListener("click", () => complete(trialNumber()) && go(1));
part("clear").addEventListener("click", () => { state.rankings[trialNumber()] = []; keep(); showRanks(); });
part("zoom").addEventListener("click", () => enlarge((zoom + 1) % zooms.length));
part("vote").addEventListener("pointermove", pointAt);
part("review").addEventListener("click", () => go(-1));
part("save").addEventListener("click", save);
document.addEventListener("keydown", (event) => {
  if (part("vote").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.tagName !== "BUTTON" && complete(trialNumber())) go(1);
  if (event.key === "+") enlarge(Math.min(zoom + 1, zooms.length - 1));
  if (event.key === "-") enlarge(Math.max(zoom - 1, 0));
  const place = event.key.length === 1 ? event.key.toUpperCase().charCodeAt(0) - 65 : -1;
  const options = state.shown[trialNumber()];
  if (place >= 0 && place < options.length) choose(options[place]);
});
show();
