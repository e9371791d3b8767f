// ---- faces --------------------------------------------------------------------------------

const UNITS = 6;
const CARDS = 6;
const AWAY = 1;
const SECTIONS = [
  ["expression", "Expression, probability"],
  ["valence_arousal", "Valence and arousal"],
  ["action_units", "Strongest action units"],
];
const SHARES = [0, 1, [[0, "0"], [0.5, "50 %"], [1, "100 %"]], 112];
const ENDS = [-1, 1, [[-1, "−1"], [0, "0"], [1, "1"]], 96];
const faces = new Map();
const hidden = new Set();
let cuts = [];
let now = 0;

const byId = (id) => document.getElementById(id);

function element(name, parent, className = "", text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  parent.append(made);
  return made;
}

function columnsOf(behaviour) {
  return [...data.columns.entries()].filter(([, column]) => column.behaviour === behaviour);
}

/** Returns what belongs to a face, with a card on the page that is made when it first appears. */
function faceOf({ face, colour }) {
  if (faces.has(face)) return faces.get(face);
  const card = byId("face").content.firstElementChild.cloneNode(true);
  const made = { number: face, colour, card, points: [], units: [], rows: new Map(), charts: new Map(), fresh: true };
  card.dataset.face = face;
  card.querySelector("h2").textContent = `face ${face}`;
  card.querySelector(".mark").style.background = colour;
  for (const [behaviour, title] of SECTIONS) {
    if (!columnsOf(behaviour).length) continue;
    element("h3", card.querySelector(".values"), "", title);
    if (behaviour !== "action_units")
      for (const [at, column] of columnsOf(behaviour)) made.rows.set(at, addRow(card, column));
    const figure = element("figure", card.querySelector(".curves"));
    element("figcaption", figure, "", `${title}, last ${data.seconds} s`);
    const canvas = element("canvas", figure);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `face ${face}: ${title} over the last ${data.seconds} seconds`);
    made.charts.set(behaviour, canvas);
  }
  faces.set(face, made);
  byId("faces").append(card);
  return made;
}

/** Adds the name, bar and number of a column to a card; an expression's name is a switch. */
function addRow(card, column) {
  const values = card.querySelector(".values");
  const button = column.behaviour === "expression";
  const name = element(button ? "button" : "span", values, button ? "" : "name");
  if (button) {
    name.type = "button";
    name.dataset.label = column.label;
    name.setAttribute("aria-pressed", String(!hidden.has(column.label)));
    name.addEventListener("click", () => toggle(column.label));
  }
  if (column.behaviour !== "action_units") element("span", name, "swatch").style.background = swatchOf(column);
  name.append(column.label);
  name.title = column.description;
  const track = element("span", values, column.range[0] < 0 ? "track centred" : "track");
  const bar = element("i", track);
  bar.style.background = swatchOf(column);
  return { name, track, bar, number: element("output", values, "", "–"), column };
}

function swatchOf(column) {
  if (column.colour) return column.colour;
  return column.behaviour === "valence_arousal" ? `var(--${column.label})` : "var(--unit)";
}

function toggle(label) {
  hidden.has(label) ? hidden.delete(label) : hidden.add(label);
  for (const button of document.querySelectorAll(`button[data-label="${CSS.escape(label)}"]`))
    button.setAttribute("aria-pressed", String(!hidden.has(label)));
  drawCharts();
}

/** Chooses the units that were strongest of late; one that is shown stays unless clearly beaten. */
function chooseUnits(face) {
  const columns = columnsOf("action_units");
  if (!columns.length) return;
  const recent = face.points.filter((point) => point.time > now - 3);
  const mean = ([at]) => recent.reduce((sum, point) => sum + point.values[at], 0) / Math.max(recent.length, 1);
  const shown = new Set(face.units.map(([at]) => at));
  const rated = columns.map((entry) => [mean(entry) + (shown.has(entry[0]) ? 0.05 : 0), entry]);
  const best = rated.sort((a, b) => b[0] - a[0]).slice(0, UNITS).map(([, entry]) => entry);
  best.sort((a, b) => a[0] - b[0]);
  if (best.every(([at]) => shown.has(at)) && shown.size === best.length) return;
  for (const [at] of face.units) {
    const { name, track, number } = face.rows.get(at);
    for (const part of [name, track, number]) part.remove();
    face.rows.delete(at);
  }
  face.units = best;
  for (const [at, column] of best) face.rows.set(at, addRow(face.card, column));
}

// ---- what has come ------------------------------------------------------------------------

function takeRows(rows) {
  for (const row of rows) {
    if (row.seconds < now) forget();
    now = row.seconds;
    if (row.cut) cuts.push(row.seconds);
    for (const each of row.faces) faceOf(each).points.push({ ...each, time: row.seconds });
  }
  const oldest = now - data.seconds - 1;
  cuts = cuts.filter((cut) => cut > oldest);
  for (const face of faces.values()) {
    while (face.points.length && face.points[0].time < oldest) face.points.shift();
    if (!face.points.length) {
      face.card.remove();
      faces.delete(face.number);
    }
  }
}

/** Forgets all faces, where the clock has been set back. */
function forget() {
  for (const face of faces.values()) face.card.remove();
  faces.clear();
  cuts = [];
}

const present = (face) => face.points.length > 0 && face.points.at(-1).time >= now - 1e-6;

function bestOf(values) {
  const columns = columnsOf("expression");
  if (!columns.length) return null;
  return columns.map(([at, column]) => [values[at], column]).reduce((a, b) => (b[0] > a[0] ? b : a));
}

const percent = (value) => `${Math.round(100 * value)} %`;
const signed = (value) => `${value <= -0.005 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

// ---- what is shown ------------------------------------------------------------------------

/** Shows faces in sight first; those that have left are a line each until they are forgotten. */
function sortCards() {
  const here = [...faces.values()].filter((face) => face.points.at(-1).time >= now - AWAY);
  here.sort((a, b) => present(b) - present(a) || a.number - b.number);
  const gone = [...faces.values()].filter((face) => !here.includes(face)).reverse();
  [...here, ...gone].forEach((face, place) => {
    face.card.hidden = place >= CARDS;
    face.card.style.order = place;
    face.card.classList.toggle("gone", gone.includes(face));
    const ago = Math.round(now - face.points.at(-1).time);
    face.card.querySelector(".away").textContent = ago ? `out of sight for ${ago} s` : "";
  });
  byId("nobody").hidden = here.length > 0;
  const more = Math.max(here.length - CARDS, 0);
  byId("more").hidden = !more;
  byId("more").textContent = `${more} more in the picture, not shown here.`;
}

function showValues(due) {
  if (due) sortCards();
  for (const face of faces.values()) {
    if (face.card.hidden || !present(face)) continue;
    const numbers = due || face.fresh;
    face.fresh = false;
    if (numbers) chooseUnits(face);
    const { values, voice } = face.points.at(-1);
    for (const [at, row] of face.rows) {
      const [low, high] = row.column.range;
      const most = Math.max(Math.abs(low), high);
      row.bar.style.transform = `scaleX(${(values[at] / most).toFixed(3)})`;
      if (!numbers) continue;
      row.number.textContent = low < 0 ? signed(values[at]) : high > 1 ? values[at].toFixed(1) : percent(values[at]);
      const active = row.column.behaviour === "action_units" && values[at] >= row.column.threshold;
      row.name.classList.toggle("active", active);
      row.number.classList.toggle("active", active);
    }
    const heard = face.card.querySelector(".voice");
    heard.hidden = voice === null;
    if (numbers && voice !== null) heard.textContent = `voice ${signed(voice)}`;
    const best = bestOf(values);
    if (numbers && best) face.card.querySelector(".best").textContent = `${best[1].label} ${percent(best[0])}`;
  }
}

function drawCharts() {
  for (const face of faces.values()) {
    if (face.card.hidden || face.card.classList.contains("gone")) continue;
    for (const [behaviour, canvas] of face.charts) {
      const shown = columnsOf(behaviour).filter(([, column]) => !hidden.has(column.label));
      if (behaviour === "expression") drawLines(canvas, shown, face, now, cuts, SHARES);
      else if (behaviour === "valence_arousal") drawLines(canvas, shown, face, now, cuts, ENDS);
      else drawStrips(canvas, face.units, face, now, cuts);
    }
  }
}

function showPace(pace) {
  if (!pace) return;
  const told = (value, digits) => (value === null ? "–" : value.toFixed(digits));
  byId("median").textContent = told(pace.median, 0);
  byId("slow").textContent = told(pace.slow, 0);
  byId("rate").textContent = told(pace.rate, 1);
  byId("source").textContent = told(pace.source_rate, 1);
  byId("dropped").textContent = pace.dropped;
  byId("share").textContent = `of ${pace.analysed + pace.dropped}`;
  byId("unheard").textContent = pace.unheard;
  byId("unheard-box").hidden = !pace.unheard;
  const minutes = Math.floor(Math.max(now, 0) / 60);
  byId("time").textContent = `${minutes}:${(Math.max(now, 0) % 60).toFixed(1).padStart(4, "0")}`;
}

function setStatus(state, text) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  status.dataset.state = state;
}

// ---- the picture --------------------------------------------------------------------------

const picture = byId("picture");
const marks = byId("marks");
let boxes = true;

function drawMarks() {
  const { pen } = fresh(marks);
  if (!boxes) return;
  const scale = Math.min(marks.clientWidth / picture.width, marks.clientHeight / picture.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  const [left, top] = [(marks.clientWidth - wide) / 2, (marks.clientHeight - high) / 2];
  pen.font = "600 12px system-ui, sans-serif";
  for (const face of faces.values()) {
    if (!present(face)) continue;
    const { box, values } = face.points.at(-1);
    const [x, y, w, h] = [left + box[0] * wide, top + box[1] * high, box[2] * wide, box[3] * high];
    pen.lineWidth = 4;
    pen.strokeStyle = "#11141a";
    pen.strokeRect(x, y, w, h);
    pen.lineWidth = 2;
    pen.strokeStyle = face.colour;
    pen.strokeRect(x, y, w, h);
    const best = bestOf(values);
    const text = `face ${face.number}${best ? ` · ${best[1].label} ${percent(best[0])}` : ""}`;
    const room = pen.measureText(text).width + 12;
    const tagX = Math.min(Math.max(x - 2, left), left + wide - room);
    const tagY = y - 20 >= top ? y - 20 : Math.min(y + h, top + high - 20);
    pen.fillStyle = face.colour;
    pen.fillRect(tagX, tagY, room, 20);
    pen.fillStyle = "#11141a";
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.fillText(text, tagX + 6, tagY + 10.5);
  }
}

async function showPicture(jpeg) {
  const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  if (picture.width !== bitmap.width || picture.height !== bitmap.height)
    [picture.width, picture.height] = [bitmap.width, bitmap.height];
  picture.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  drawMarks();
}

// ---- asking for the newest ----------------------------------------------------------------

const token = new URLSearchParams(location.search).get("token");
const headers = { Authorization: `Bearer ${token}` };
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
let paused = false;
let after = -1;
let drawn = 0;
let written = 0;

async function newest() {
  const width = Math.round(picture.clientWidth * Math.min(devicePixelRatio || 1, 2));
  const answer = await fetch(`/newest?after=${after}&width=${width}`, { headers, cache: "no-store" });
  if (!answer.ok) throw new Error(await answer.text());
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return { ...message, jpeg: bytes.slice(4 + length) };
}

async function show({ rows, pace, jpeg, ended }) {
  takeRows(rows);
  if (rows.length) after = rows.at(-1).frame;
  if (jpeg.byteLength) await showPicture(jpeg);
  const time = performance.now();
  const numbers = time - written > 200 || Boolean(ended);
  if (time - drawn > 60 || ended) {
    showValues(numbers);
    drawCharts();
    drawn = time;
  }
  if (numbers) {
    showPace(pace);
    written = time;
  }
}

async function follow() {
  for (;;) {
    if (paused || document.hidden) {
      await pause(0.1);
      continue;
    }
    try {
      const message = await newest();
      if (paused) continue;
      await show(message);
      if (message.ended) return setStatus("ended", message.ended);
      if (paused) continue;
      if (message.rows.length) setStatus("live", "live");
      else if (after >= 0) setStatus("waiting", "no new frame for a second");
    } catch {
      setStatus("lost", "mien cannot be reached; it may have ended");
      await pause(1);
    }
  }
}

// ---- switches -----------------------------------------------------------------------------

function setPaused(wanted) {
  if (byId("status").dataset.state === "ended") return;
  paused = wanted;
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (paused) setStatus("paused", data.recording ? "paused; the recording goes on" : "paused");
}

function setBoxes(wanted) {
  boxes = wanted;
  byId("boxes").setAttribute("aria-pressed", String(boxes));
  drawMarks();
}

byId("pause").addEventListener("click", () => setPaused(!paused));
byId("boxes").addEventListener("click", () => setBoxes(!boxes));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const free = event.target === document.body;
  if (event.key === "p" || (event.key === " " && free)) setPaused(!paused);
  else if (event.key === "b") setBoxes(!boxes);
  else return;
  event.preventDefault();
});
addEventListener("resize", () => {
  drawMarks();
  drawCharts();
});
follow();
