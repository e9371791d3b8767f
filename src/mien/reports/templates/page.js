
// ---- charts -------------------------------------------------------------------------------

const KINDS = {
  coverage: { draw: drawCoverage, height: () => (shownFaces().length > 12 ? 14 : 22) * (shownFaces().length + 1) + TIME_AXIS },
  expression: { draw: drawExpressions, height: () => 168 },
  valence_arousal: { draw: drawNumbers, height: () => 118 },
  action_units: { draw: drawUnits, height: () => 14 * placesOf("action_units", true).length + TIME_AXIS },
  plane: { draw: drawPlane },
};
const charts = [];
const video = document.getElementById("video");
const tip = document.getElementById("tip");
const strip = document.getElementById("thumbnails");
const overview = document.getElementById("overview");
let pinned = data.start;
let pointed = null;
let waiting = false;

function element(name, parent, className = "") {
  const made = document.createElement(name);
  made.className = className;
  parent.append(made);
  return made;
}

function addChart(box) {
  const kind = KINDS[box.dataset.chart];
  const chart = { box, kind, name: box.dataset.chart, face: box.dataset.face, visible: false };
  chart.canvas = element("canvas", box);
  chart.canvas.setAttribute("role", "img");
  chart.canvas.setAttribute("aria-label", box.closest("figure").querySelector("figcaption").textContent.trim());
  chart.cursor = element("div", box, chart.name === "plane" ? "point" : "cursor");
  if (chart.name !== "plane") {
    chart.brush = element("div", box, "brush");
    chart.brush.hidden = true;
    box.tabIndex = 0;
    followPointer(box, true);
  }
  charts.push(chart);
  watcher.observe(box);
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const chart = charts.find((one) => one.box === entry.target);
      chart.visible = entry.isIntersecting;
      if (!chart.visible) chart.canvas.width = 0;
    }
    redraw();
  },
  { rootMargin: "200px" },
);

function drawChart(chart) {
  if (chart.canvas.clientWidth > LEFT + RIGHT) chart.kind.draw(fresh(chart.canvas), chart);
}

function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    charts.filter((chart) => chart.visible).forEach(drawChart);
    layThumbnails();
    drawOverview();
    showRange();
    showCursor();
  });
}

function setHeights() {
  for (const { box, kind } of charts) if (kind.height) box.style.height = `${kind.height()}px`;
}

function drawOverview() {
  const { pen, width, height } = fresh(overview);
  const place = (time) => ((time - data.start) / (data.end - data.start)) * width;
  pen.fillStyle = colour("track");
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = colour("seen");
  pen.globalAlpha = 0.6;
  for (const [start, end] of data.present) {
    pen.fillRect(place(start), 7, Math.max(place(end + data.interval) - place(start), 0.5), height - 14);
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = colour("accent");
  pen.lineWidth = 2;
  pen.strokeRect(place(view.from) + 1, 1, Math.max(place(view.to) - place(view.from) - 2, 3), height - 2);
}

function showRange() {
  const digits = view.to - view.from < 60 ? 2 : 1;
  const whole = view.from <= data.start && view.to >= data.end;
  const text = `${clock(view.from, digits)} – ${clock(view.to, digits)}`;
  document.getElementById("range").textContent = whole ? `${text} (all)` : text;
  const middle = (view.from + view.to) / 2;
  overview.setAttribute("aria-valuenow", Math.round((100 * (middle - data.start)) / (data.end - data.start)));
  overview.setAttribute("aria-valuetext", text);
}

// ---- thumbnails ---------------------------------------------------------------------------

const thumbnails = data.thumbnails.map(({ time, source }) => {
  const image = element("img", strip);
  image.src = source;
  image.alt = "";
  image.draggable = false;
  image.addEventListener("load", redraw);
  return { time, image, label: element("span", strip) };
});
const notches = data.cuts.map((time) => ({ time, mark: element("i", strip) }));

/** Shows each picture at its own time, as many as there is room for. */
function layThumbnails() {
  const width = strip.clientWidth;
  const inView = (time) => time >= view.from && time <= view.to;
  let free = 0;
  for (const { time, image, label } of thumbnails) {
    const room = 66 * (image.naturalWidth / image.naturalHeight || 1.6);
    const left = Math.min(Math.max(across(time, width) - room / 2, 0), width - room);
    const fits = inView(time) && left >= free;
    image.hidden = label.hidden = !fits;
    if (!fits) continue;
    free = left + room + 3;
    image.style.left = `${left}px`;
    label.style.left = `${left + room / 2}px`;
    label.textContent = clock(time, 1);
  }
  for (const { time, mark } of notches) {
    mark.hidden = !inView(time);
    mark.style.left = `${across(time, width) - 1.5}px`;
  }
}

// ---- cursor -------------------------------------------------------------------------------

/** Makes the switches and read-outs below a chart: one per column. */
function addChips(box) {
  const face = box.closest("article").dataset.face;
  const places = placesOf(box.dataset.chips, true);
  const fixed = box.dataset.chips === "action_units";
  for (const place of places) {
    const column = data.columns[place];
    const chip = element(fixed ? "span" : "button", box, "chip");
    if (!fixed) {
      chip.type = "button";
      chip.setAttribute("aria-pressed", "true");
      chip.addEventListener("click", () => toggle(column.label));
    }
    chip.title = column.description;
    chip.dataset.label = column.label;
    if (!fixed) element("span", chip, "swatch").style.background = column.colour || `var(--${column.label})`;
    chip.append(column.label);
    element("b", chip);
  }
  box.chipsOf = { face, places };
}

function toggle(label) {
  if (!hidden.delete(label)) hidden.add(label);
  for (const chip of document.querySelectorAll("button.chip")) {
    chip.setAttribute("aria-pressed", String(!hidden.has(chip.dataset.label)));
  }
  redraw();
}

function showValues(box, time) {
  const { face: number, places } = box.chipsOf;
  const face = series(number);
  const index = pointAt(face, time);
  const values = places.map((place) => (index < 0 ? NaN : face.mean[place][index]));
  const expressions = box.dataset.chips === "expression";
  const best = expressions ? values.indexOf(Math.max(...values)) : -1;
  const inside = expressions && index >= 0 && face.exact && data.mass !== null ? setOf(values) : new Set();
  const written = (value, digits) => value.toFixed(digits).replace("-", "−");
  [...box.children].forEach((chip, at) => {
    const [low, high] = boundsOf(places[at]);
    chip.lastChild.textContent = index < 0 ? "–" : written(values[at], 3);
    if (index >= 0 && low !== undefined) {
      const ends = [low, high].map((place) => written(face.mean[place][index], 2));
      chip.lastChild.textContent += ` (${ends.join(" to ")})`;
    }
    chip.classList.toggle("best", at === best);
    chip.classList.toggle("inside", inside.has(at));
  });
}

function moveCursor(chart, time) {
  const { box, cursor, name } = chart;
  if (name === "plane") {
    const face = series(chart.face);
    const index = pointAt(face, time);
    cursor.hidden = index < 0;
    if (index < 0) return;
    const [valence, arousal] = placesOf("valence_arousal", true).map((place) => face.mean[place][index]);
    cursor.style.left = `${planeX(valence, box.clientWidth)}px`;
    cursor.style.top = `${planeX(-arousal, box.clientWidth)}px`;
    return;
  }
  cursor.hidden = time < view.from || time > view.to;
  cursor.style.left = `${across(time, box.clientWidth)}px`;
}

/** Returns the number of the frame shown at a time, where a face tells it. */
function frameAt(time) {
  for (const number of shownFaces()) {
    const face = series(number);
    const index = pointAt(face, time);
    if (index >= 0) return face.exact ? ` · frame ${face.frame[index]}` : ` · from frame ${face.frame[index]}`;
  }
  return "";
}

function showCursor() {
  const time = pointed ?? pinned;
  document.getElementById("cursor").textContent = `${clock(time, 2)}${frameAt(time)}`;
  for (const chart of charts) if (chart.visible) moveCursor(chart, time);
  for (const box of document.querySelectorAll(".chips")) {
    const chart = charts.find((one) => one.box === box.previousElementSibling);
    if (chart.visible) showValues(box, time);
  }
}

function pin(time, seek = true) {
  pinned = Math.min(Math.max(time, data.start), data.end);
  if (seek && video && Number.isFinite(video.duration)) video.currentTime = pinned - data.mediaStart;
  if (pinned < view.from || pinned > view.to) look(pinned - (view.to - view.from) / 2, view.to - view.from);
  else showCursor();
}

// ---- looking closer -----------------------------------------------------------------------

/** Shows `span` seconds from `from`, kept within the medium. */
function look(from, span) {
  const kept = Math.min(Math.max(span, shortest), data.end - data.start);
  view.from = Math.min(Math.max(from, data.start), data.end - kept);
  view.to = view.from + kept;
  redraw();
}

function zoom(factor, about) {
  const span = view.to - view.from;
  const centre = about ?? (pinned >= view.from && pinned <= view.to ? pinned : view.from + span / 2);
  const kept = Math.min(Math.max(span * factor, shortest), data.end - data.start);
  look(centre - ((centre - view.from) * kept) / span, kept);
}

function pan(share) {
  look(view.from + share * (view.to - view.from), view.to - view.from);
}

const ACTIONS = {
  back: () => pan(-0.25),
  on: () => pan(0.25),
  in: () => zoom(0.6),
  out: () => zoom(1 / 0.6),
  all: () => look(data.start, data.end - data.start),
};
const KEYS = { "+": "in", "=": "in", "-": "out", _: "out", ArrowLeft: "back", ArrowRight: "on", 0: "all" };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === video) return;
  if (event.key === "Escape") document.activeElement.blur();
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  if (event.shiftKey && event.key.startsWith("Arrow")) {
    pin(pinned + (event.key === "ArrowLeft" ? -data.interval : data.interval));
  } else ACTIONS[action]();
}

function onWheel(event, box) {
  const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
  if (sideways) {
    event.preventDefault();
    pan(event.deltaX / 900);
  } else if (event.ctrlKey || event.metaKey || document.activeElement === box) {
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    zoom(Math.exp(Math.min(Math.max(pixels, -240), 240) / 400), timeAt(event.offsetX, box.clientWidth));
  }
}

function showTip(event, box) {
  tip.hidden = box.dataset.chart !== "action_units";
  if (tip.hidden) return;
  const places = placesOf("action_units");
  const line = Math.floor(event.offsetY / unitRow(box.clientHeight, places.length));
  const column = data.columns[places[Math.min(line, places.length - 1)]];
  tip.textContent = `${column.label}: ${column.description}`;
  tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - 260)}px`;
  tip.style.top = `${event.clientY + 14}px`;
}

/** Lets a pointer read, set the cursor, choose a stretch, push (touch) and pinch in a chart. */
function followPointer(box, focusable) {
  const touches = new Map();
  const place = (event) => event.clientX - box.getBoundingClientRect().left;
  const time = (x) => timeAt(x, box.clientWidth);
  let start = null;
  const brush = () => box.querySelector(".brush");

  const end = (event) => {
    touches.delete(event.pointerId);
    if (start === null) return;
    const [from, to] = [start, place(event)].sort((a, b) => a - b);
    start = null;
    if (brush()) brush().hidden = true;
    if (event.type === "pointercancel") return;
    if (to - from < 5) pin(time(to));
    else if (event.pointerType !== "touch") look(time(from), time(to) - time(from));
  };
  const drag = (event) => {
    const [from, to] = [start, place(event)].sort((a, b) => a - b);
    if (!brush() || to - from < 5) return;
    const [left, right] = [Math.max(from, LEFT), Math.min(to, box.clientWidth - RIGHT)];
    brush().hidden = false;
    brush().style.left = `${left}px`;
    brush().style.width = `${Math.max(right - left, 0)}px`;
  };
  const touch = (event) => {
    const old = touches.get(event.pointerId);
    const span = view.to - view.from;
    if (touches.size === 2) {
      const other = [...touches].find(([id]) => id !== event.pointerId)[1];
      const ratio = Math.max(Math.abs(old - other), 10) / Math.max(Math.abs(place(event) - other), 10);
      zoom(ratio, time((place(event) + other) / 2));
    } else look(view.from - ((place(event) - old) / (box.clientWidth - LEFT - RIGHT)) * span, span);
    touches.set(event.pointerId, place(event));
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    box.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") touches.set(event.pointerId, place(event));
    start = touches.size > 1 ? null : place(event);
    if (focusable) box.focus({ preventScroll: true });
  });
  box.addEventListener("pointermove", (event) => {
    pointed = time(place(event));
    if (touches.has(event.pointerId)) touch(event);
    else if (start !== null) drag(event);
    showTip(event, box);
    showCursor();
  });
  box.addEventListener("pointerup", end);
  box.addEventListener("pointercancel", end);
  box.addEventListener("pointerleave", () => {
    pointed = null;
    tip.hidden = true;
    showCursor();
  });
  box.addEventListener("dblclick", ACTIONS.all);
  box.addEventListener("wheel", (event) => onWheel(event, box), { passive: false });
}

function followOverview() {
  const move = (event) => {
    if (!event.buttons) return;
    const share = (event.clientX - overview.getBoundingClientRect().left) / overview.clientWidth;
    const span = view.to - view.from;
    look(data.start + share * (data.end - data.start) - span / 2, span);
  };
  overview.addEventListener("pointerdown", (event) => {
    overview.setPointerCapture(event.pointerId);
    move(event);
  });
  overview.addEventListener("pointermove", move);
}

// ---- video --------------------------------------------------------------------------------

function followVideo() {
  const follow = () => {
    pin(video.currentTime + data.mediaStart, false);
    if (!video.paused && !video.ended) requestAnimationFrame(follow);
  };
  video.addEventListener("play", follow);
  video.addEventListener("seeked", follow);
  const give = () => {
    document.getElementById("player").hidden = true;
    document.getElementById("no-video").hidden = false;
  };
  if (video.error) give();
  video.addEventListener("error", give);
}

// ---- start --------------------------------------------------------------------------------

function showAllFaces(event) {
  for (const card of document.querySelectorAll("article.face[hidden]")) card.hidden = false;
  event.target.hidden = true;
  setHeights();
  redraw();
}

function start() {
  document.querySelectorAll(".plot").forEach(addChart);
  document.querySelectorAll(".chips").forEach(addChips);
  setHeights();
  followPointer(strip, false);
  followOverview();
  if (video) followVideo();
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", ACTIONS[button.dataset.do]);
  }
  document.getElementById("more")?.addEventListener("click", showAllFaces);
  document.getElementById("mode")?.addEventListener("click", (event) => {
    stacked = !stacked;
    event.target.setAttribute("aria-pressed", String(!stacked));
    redraw();
  });
  document.addEventListener("keydown", onKey);
  new ResizeObserver(redraw).observe(document.querySelector("main"));
  window.addEventListener("beforeprint", () => charts.filter((chart) => chart.box.clientWidth).forEach(drawChart));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours.clear();
    redraw();
  });
  redraw();
}

start();
