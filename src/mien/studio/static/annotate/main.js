// The page: a list of what there is to do, and one piece of work at a time.

import { ask } from "./api.js";
import { clock } from "./canvas.js";
import { showKeys } from "./dialogs.js";
import { button, say } from "./frame.js";
import { showStick } from "./pad.js";
import { deliver } from "./recorder.js";
import { SegmentsWork } from "./segments.js";
import { TraceWork } from "./trace.js";

const main = document.getElementById("main");
const title = document.getElementById("title");
const KINDS = { trace: TraceWork, segments: SegmentsWork };
let work = null;
let asked = 0;
let showing = Promise.resolve();

const addressOf = (item) => `#/${[item.task, item.video, item.turn].map(encodeURIComponent).join("/")}`;

function place(kind, name, ...parts) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.append(...parts);
  return made;
}

function stateOf(item) {
  if (item.done) return "finished";
  if (!item.reach) return "";
  return item.seconds ? `${clock(item.reach)} of ${clock(item.seconds)}` : "begun";
}

function row(item) {
  const link = place("a", "", item.video);
  link.href = addressOf(item);
  const parts = [link];
  if (item.turn) parts.push(place("span", "badge", "once more"));
  const share = item.done ? 1 : Math.min(1, item.reach / (item.seconds || Infinity));
  const bar = place("progress", "");
  bar.value = share;
  bar.setAttribute("aria-label", `${item.video}: part that is done`);
  parts.push(bar, place("span", item.done ? "state done" : "state", stateOf(item)));
  if (item.problem) parts.push(place("p", "problem", item.problem));
  return place("li", item.done ? "done" : "", ...parts);
}

function list(told) {
  title.textContent = told.project;
  const finished = told.items.filter((item) => item.done).length;
  const next = told.items.find((item) => !item.done);
  const lead = place("p", "lead", `${told.annotator}: ${finished} of ${told.items.length} videos finished`);
  const parts = [lead];
  if (next) {
    const word = finished || told.items.some((item) => item.reach) ? "Go on" : "Begin";
    const go = button(`${word}: ${next.task}, ${next.video}`, "", "The next video", () => (location.hash = addressOf(next)));
    go.className = "primary big";
    parts.push(go);
  } else parts.push(place("p", "", told.items.length ? "Everything is finished. Thank you." : "Nothing is assigned to you."));
  for (const [name, task] of Object.entries(told.tasks)) {
    const mine = told.items.filter((item) => item.task === name);
    if (!mine.length) continue;
    const what = task.labels.length > 3 ? `${task.labels.length} labels` : task.labels.join(", ");
    const about = what === name ? "" : what;
    parts.push(place("section", "", place("h2", "", name, place("span", "faint", about)), place("ul", "items", ...mine.map(row))));
  }
  main.replaceChildren(place("div", "list", ...parts));
  main.querySelector("button.primary")?.focus({ preventScroll: true });
}

/** Whether the address names what is being worked in. */
function isOpen() {
  return Boolean(work) && !work.recorder.stopped && addressOf(work.item) === location.hash;
}

/** Show what the address names, once what is shown now is closed; of several that wait only the last one. */
function show(take = false) {
  asked += 1;
  const mine = asked;
  const last = () => (mine === asked && (take || !isOpen()) ? change(take) : undefined);
  showing = showing.then(last, last);
}

async function change(take) {
  const before = work;
  work = null;
  if (before) await before.close();
  const left = await deliver();
  say(left ? { unsent: left, trouble: `${left} events are kept in this browser until the server takes them.` } : null);
  document.body.className = "";
  const parts = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  try {
    const told = await ask("work");
    const item = told.items.find((one) => addressOf(one) === location.hash);
    if (!item) return list(told);
    await open(told, item, take);
  } catch (error) {
    const again = button("Try again", "", "Ask the server again", () => show());
    main.replaceChildren(place("div", "list", place("p", "lead", error.message), place("p", "", parts[0] ? "What you did is kept." : ""), again));
  }
}

async function open(told, item, take) {
  const task = told.tasks[item.task];
  const mine = told.items.filter((one) => one.task === item.task);
  title.textContent = `${item.task} · ${item.video} · ${mine.indexOf(item) + 1} of ${mine.length}${item.turn ? " · once more" : ""}`;
  const next = told.items.slice(told.items.indexOf(item) + 1).find((one) => !one.done);
  const opened = new KINDS[task.kind](main, item, task, () => (location.hash = next ? addressOf(next) : "#/"));
  opened.again = () => show(true);
  document.body.className = task.kind === "trace" ? "tracing" : "scoring";
  if (await opened.begin(take)) work = opened;
  else location.hash = "#/";
}

document.getElementById("help").addEventListener("click", () => showKeys(work?.task.kind, work?.task.units));
document.getElementById("stick").addEventListener("click", () => showStick(work));
addEventListener("keydown", (event) => {
  if (event.target.closest?.("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") showKeys(work?.task.kind, work?.task.units);
  else if (event.key === "g" && work?.task.kind === "trace" && !document.querySelector("dialog[open]")) showStick(work);
  else return;
  event.preventDefault();
});
addEventListener("hashchange", () => show());
show();
