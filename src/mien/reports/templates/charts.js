"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const TIME_AXIS = 18;
const LEFT = 58;
const RIGHT = 46;
const LONGEST_PATH = 400;
const TICKS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

const view = { from: data.start, to: data.end };
const shortest = Math.min(data.end - data.start, Math.max(8 * data.interval, 1e-3));
const hidden = new Set();
let stacked = true;

// ---- values -------------------------------------------------------------------------------

function numbers(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function columnsOf(all, points) {
  return data.columns.map((_, index) => all.subarray(index * points, (index + 1) * points));
}

/** Returns a face's series with its arrays unpacked, which is done when it is first drawn. */
function series(number) {
  const face = data.faces[number];
  if (!face.unpacked) {
    face.time = numbers(face.time, Float64Array);
    face.frame = numbers(face.frame, Int32Array);
    const points = face.time.length;
    face.mean = columnsOf(numbers(face.mean, Float32Array), points);
    if (!face.exact) {
      face.low = columnsOf(numbers(face.low, Uint16Array), points);
      face.high = columnsOf(numbers(face.high, Uint16Array), points);
    }
    face.unpacked = true;
  }
  return face;
}

/** Returns the places of a behaviour's columns, without those that are switched off. */
function placesOf(behaviour, all = false) {
  return [...data.columns.keys()].filter((place) => {
    const column = data.columns[place];
    return column.behaviour === behaviour && (all || !hidden.has(column.label));
  });
}

/** Returns the places of the low and the high end of a column's interval; none where it has none. */
function boundsOf(place) {
  const { behaviour, label } = data.columns[place];
  if (behaviour !== "valence_arousal") return [];
  return placesOf("interval", true).filter((one) => data.columns[one].label === label);
}

/** Returns which of some probabilities are in the set: those that more probable ones leave room for. */
function setOf(values) {
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]);
  let before = 0;
  return new Set(
    order.filter((at) => {
      const inside = before <= data.mass;
      before += values[at];
      return inside;
    }),
  );
}

/** Returns the last index with a time of at most `time`, or -1. */
function before(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time + 1e-6) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Returns the point of a face that is shown at a time, or -1 where the face was not seen. */
function pointAt(face, time) {
  let index = before(face.time, time);
  const next = index + 1;
  if (!face.exact && next < face.time.length && face.frame[next] >= 0) {
    if (index < 0 || face.time[next] - time < time - face.time[index]) index = next;
  }
  if (index < 0 || face.frame[index] < 0) return -1;
  const followed = index + 1 < face.time.length && face.frame[index + 1] >= 0;
  const reach = face.exact ? 1.01 * data.interval : face.step;
  return followed || Math.abs(time - face.time[index]) <= reach ? index : -1;
}

/** Yields [first, last] of each stretch without a gap that reaches into the view. */
function* stretches(face) {
  const { time, frame, step } = face;
  for (let first = 0; first < time.length; first += 1) {
    if (frame[first] < 0) continue;
    let last = first;
    while (last + 1 < time.length && frame[last + 1] >= 0) last += 1;
    if (time[last] + step >= view.from && time[first] - step <= view.to) {
      let [start, end] = [first, last];
      while (start < last && time[start + 1] < view.from) start += 1;
      while (end > start && time[end - 1] > view.to) end -= 1;
      yield [start, end];
    }
    first = last;
  }
}

/** Returns [first, last] of each `size` neighbouring points; a gap stays a point of its own. */
function groups(face, size) {
  const found = [];
  for (let first = 0; first < face.time.length; first += 1) {
    let last = first;
    while (face.frame[first] >= 0 && last - first + 1 < size && face.frame[last + 1] >= 0) last += 1;
    found.push([first, last]);
    first = last;
  }
  return found;
}

/** Returns one number for each group of points: what `join` makes of two, over all of them. */
function joined(values, parts, join, Kind) {
  return Kind.from(parts, ([first, last]) => {
    let value = values[first];
    for (let index = first + 1; index <= last; index += 1) value = join(value, values[index]);
    return value;
  });
}

/** Returns a face with about one point per pixel: means, and bands that still reach all values. */
function drawable(face, width) {
  const inView = before(face.time, view.to) - before(face.time, view.from);
  const size = Math.floor(inView / (width - LEFT - RIGHT));
  if (size < 2) return face;
  if (face.small?.size === size) return face.small;
  const parts = groups(face, size);
  const mean = (values, Kind) => {
    const sums = joined(values, parts, (a, b) => a + b, Float64Array);
    return Kind.from(sums, (sum, at) => sum / (parts[at][1] - parts[at][0] + 1));
  };
  const edge = (columns, join) =>
    face.mean.map((values, place) => {
      const source = columns ? columns[place] : values.map((value) => Math.round(((value + 1) / 2) * 65535));
      return joined(source, parts, join, Uint16Array);
    });
  face.small = {
    size,
    exact: false,
    step: (face.exact ? data.interval : face.step) * size,
    time: mean(face.time, Float64Array),
    frame: Int32Array.from(parts, ([first]) => face.frame[first]),
    mean: face.mean.map((values) => mean(values, Float32Array)),
    low: edge(face.low, Math.min),
    high: edge(face.high, Math.max),
  };
  return face.small;
}

function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const total = Math.round(Math.max(seconds, 0) * unit);
  const minutes = Math.floor(total / (60 * unit));
  const rest = ((total % (60 * unit)) / unit).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

function percent(share) {
  if (share > 0 && share < 0.005) return "<1 %";
  if (share >= 0.995 && share < 1) return ">99 %";
  return `${Math.round(100 * share)} %`;
}

// ---- drawing ------------------------------------------------------------------------------

const colours = new Map();

/** Returns a colour of the style sheet; kept until the scheme changes, since drawing asks often. */
function colour(name) {
  if (!colours.has(name)) {
    colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  }
  return colours.get(name);
}

/** Returns a canvas's context in CSS pixels, emptied, with its size. */
function fresh(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  return { pen, width, height };
}

function across(time, width, left = LEFT, right = RIGHT) {
  return left + ((time - view.from) / (view.to - view.from)) * (width - left - right);
}

function timeAt(x, width, left = LEFT, right = RIGHT) {
  const share = (x - left) / (width - left - right);
  return view.from + Math.min(Math.max(share, 0), 1) * (view.to - view.from);
}

function drawTimeAxis(pen, width, height) {
  const room = ((view.to - view.from) / (width - LEFT - RIGHT)) * 76;
  const step = TICKS.find((tick) => tick >= room) ?? TICKS.at(-1);
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
  pen.fillStyle = colour("soft");
  pen.strokeStyle = colour("line");
  pen.textAlign = "center";
  pen.textBaseline = "bottom";
  pen.lineWidth = 1;
  pen.beginPath();
  for (let count = Math.ceil(view.from / step - 1e-9); count * step <= view.to + 1e-9; count += 1) {
    const x = Math.round(across(count * step, width)) + 0.5;
    pen.moveTo(x, 0);
    pen.lineTo(x, height - TIME_AXIS + 4);
    pen.fillText(clock(count * step, digits), x, height);
  }
  pen.stroke();
}

function drawCuts(pen, width, height) {
  pen.strokeStyle = colour("cut");
  pen.globalAlpha = 0.65;
  pen.setLineDash([2, 3]);
  pen.beginPath();
  for (const cut of data.cuts) {
    if (cut < view.from || cut > view.to) continue;
    pen.moveTo(across(cut, width), 0);
    pen.lineTo(across(cut, width), height - TIME_AXIS);
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** Draws both axes, and what `inside` draws between them, cut off at the edges. */
function framed({ pen, width, height }, marks, inside) {
  drawTimeAxis(pen, width, height);
  const bottom = height - TIME_AXIS;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const [text, share] of marks) {
    const y = 5 + (1 - share) * (bottom - 10);
    pen.fillStyle = colour("soft");
    pen.fillText(text, LEFT - 7, y);
    pen.fillStyle = colour("line");
    pen.fillRect(LEFT, Math.round(y), width - LEFT - RIGHT, 1);
  }
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, 0, width - LEFT - RIGHT, bottom);
  pen.clip();
  inside((share) => 5 + (1 - share) * (bottom - 10));
  drawCuts(pen, width, height);
  pen.restore();
}

/** Returns the x of each point of a stretch; the ends reach as far as their points stand for. */
function steps(face, first, last, width) {
  const back = face.exact ? 0 : face.step / 2;
  const on = face.exact ? data.interval : face.step / 2;
  const places = [[across(face.time[first] - back, width), first]];
  for (let index = first; index <= last; index += 1) places.push([across(face.time[index], width), index]);
  places.push([across(face.time[last] + on, width), last]);
  return places;
}

function drawStack(pen, face, places, width, y) {
  for (const [first, last] of stretches(face)) {
    const points = steps(face, first, last, width);
    const base = new Float64Array(last - first + 1);
    for (const place of places) {
      const values = face.mean[place];
      pen.beginPath();
      for (const [x, index] of points) pen.lineTo(x, y(base[index - first]));
      for (let index = first; index <= last; index += 1) base[index - first] += values[index];
      for (const [x, index] of points.reverse()) pen.lineTo(x, y(base[index - first]));
      points.reverse();
      pen.fillStyle = data.columns[place].colour;
      pen.fill();
    }
  }
}

/** Fills between two lines, given as functions from the index of a point to a value. */
function drawBand(pen, points, low, high, fill, alpha, y) {
  pen.beginPath();
  for (const [x, index] of points) pen.lineTo(x, y(low(index)));
  for (const [x, index] of [...points].reverse()) pen.lineTo(x, y(high(index)));
  pen.globalAlpha = alpha;
  pen.fillStyle = fill;
  pen.fill();
  pen.globalAlpha = 1;
}

function drawLine(pen, face, place, stroke, width, y, dash = []) {
  const quantum = (value) => (value / 65535) * 2 - 1;
  const [lower, upper] = boundsOf(place).map((bound) => (index) => face.mean[bound][index]);
  for (const [first, last] of stretches(face)) {
    const points = steps(face, first, last, width);
    if (lower) drawBand(pen, points, lower, upper, stroke, 0.1, y);
    if (!face.exact) {
      const [least, greatest] = [face.low, face.high].map((edge) => (index) => quantum(edge[place][index]));
      drawBand(pen, points, least, greatest, stroke, 0.16, y);
    }
    pen.beginPath();
    for (const [x, index] of points) pen.lineTo(x, y(face.mean[place][index]));
    pen.strokeStyle = stroke;
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    pen.setLineDash(dash);
    pen.stroke();
    pen.setLineDash([]);
  }
}

function drawExpressions(surface, chart) {
  const face = drawable(series(chart.face), surface.width);
  const places = placesOf("expression");
  const marks = [["0", 0], ["50 %", 0.5], ["100 %", 1]];
  framed(surface, marks, (y) => {
    if (stacked) drawStack(surface.pen, face, places, surface.width, y);
    else places.forEach((place) => drawLine(surface.pen, face, place, data.columns[place].colour, surface.width, y));
  });
}

function drawNumbers(surface, chart) {
  const face = drawable(series(chart.face), surface.width);
  framed(surface, [["−1", 0], ["0", 0.5], ["1", 1]], (y) => {
    for (const place of placesOf("valence_arousal")) {
      const { label } = data.columns[place];
      const dash = label === "arousal" ? [5, 3] : [];
      drawLine(surface.pen, face, place, colour(label), surface.width, (value) => y((value + 1) / 2), dash);
    }
  });
}

function unitRow(height, count) {
  return (height - TIME_AXIS) / count;
}

function drawUnits(surface, chart) {
  const { pen, width, height } = surface;
  const face = drawable(series(chart.face), width);
  const places = placesOf("action_units");
  const row = unitRow(height, places.length);
  framed(surface, [], () => {
    pen.fillStyle = colour("unit");
    for (const [first, last] of stretches(face)) {
      const points = steps(face, first, last, width);
      places.forEach((place, line) => {
        for (let at = 0; at + 1 < points.length; at += 1) {
          const [x, index] = points[at];
          pen.globalAlpha = Math.min(Math.max(face.mean[place][index], 0), 1);
          pen.fillRect(x, line * row + 1, points[at + 1][0] - x + 0.3, row - 2);
        }
      });
    }
    pen.globalAlpha = 1;
  });
  pen.fillStyle = colour("soft");
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  places.forEach((place, line) => pen.fillText(data.columns[place].label, LEFT - 7, (line + 0.5) * row));
}

/** Returns the faces whose cards are open, in the page's order. */
function shownFaces() {
  return [...document.querySelectorAll("article.face:not([hidden])")].map((card) => card.dataset.face);
}

function drawCoverage(surface) {
  const { pen, width, height } = surface;
  const faces = shownFaces();
  const row = (height - TIME_AXIS) / (faces.length + 1);
  const lines = [["any face", data.present, colour("seen"), data.share]];
  for (const number of faces) {
    const face = data.faces[number];
    lines.push([`face ${number}`, face.runs, face.colour, face.share]);
  }
  drawTimeAxis(pen, width, height);
  lines.forEach(([name, runs, fill, share], line) => {
    const top = line * row + 2;
    pen.fillStyle = colour("track");
    pen.fillRect(LEFT, top, width - LEFT - RIGHT, row - 4);
    pen.fillStyle = fill;
    for (const [start, end] of runs) {
      const from = Math.max(across(start, width), LEFT);
      const to = Math.min(across(end + data.interval, width), width - RIGHT);
      if (to > from) pen.fillRect(from, top, Math.max(to - from, 0.75), row - 4);
    }
    pen.fillStyle = colour(line ? "soft" : "ink");
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    pen.fillText(name, LEFT - 6, top + row / 2 - 2);
    pen.fillText(percent(share), width - 2, top + row / 2 - 2);
  });
  drawCuts(pen, width, height);
}

function planeX(value, size) {
  return 16 + ((value + 1) / 2) * (size - 32);
}

function drawPlaneAxes(pen, size) {
  const centre = size / 2;
  pen.strokeStyle = colour("line");
  pen.strokeRect(16, 16, size - 32, size - 32);
  pen.beginPath();
  pen.arc(centre, centre, centre - 16, 0, 7);
  pen.moveTo(16, centre);
  pen.lineTo(size - 16, centre);
  pen.moveTo(centre, 16);
  pen.lineTo(centre, size - 16);
  pen.stroke();
  pen.fillStyle = colour("soft");
  pen.textAlign = "center";
  pen.fillText("excited", centre, 11);
  pen.fillText("calm", centre, size - 4);
  for (const [text, x, turn] of [["unpleasant", 11, -1], ["pleasant", size - 4, -1]]) {
    pen.save();
    pen.translate(x, centre);
    pen.rotate((turn * Math.PI) / 2);
    pen.fillText(text, 0, 0);
    pen.restore();
  }
}

function drawPlane({ pen, width }, chart) {
  const face = series(chart.face);
  const [valence, arousal] = placesOf("valence_arousal", true).map((place) => face.mean[place]);
  drawPlaneAxes(pen, width);
  pen.fillStyle = colour("accent");
  for (let index = 0; index < face.time.length; index += 1) {
    if (face.frame[index] < 0) continue;
    const inside = face.time[index] >= view.from && face.time[index] <= view.to;
    pen.globalAlpha = inside ? 0.45 : 0.1;
    pen.fillRect(planeX(valence[index], width) - 1.75, planeX(-arousal[index], width) - 1.75, 3.5, 3.5);
  }
  pen.globalAlpha = 0.5;
  pen.strokeStyle = colour("accent");
  const paths = [...stretches(face)];
  if (paths.reduce((sum, [first, last]) => sum + last - first, 0) > LONGEST_PATH) return;
  for (const [first, last] of paths) {
    pen.beginPath();
    for (let index = first; index <= last; index += 1) {
      pen.lineTo(planeX(valence[index], width), planeX(-arousal[index], width));
    }
    pen.stroke();
  }
  pen.globalAlpha = 1;
}
