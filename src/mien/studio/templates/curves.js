"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const AXIS = 16;
const LEFT = 44;
const RIGHT = 6;
const STRIP = 15;
const BREAK = 0.4;

// ---- colours ------------------------------------------------------------------------------

let ink = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "soft", "line", "track", "valence", "arousal", "unit", "cut", "paper"])
    ink[name] = style.getPropertyValue(`--${name}`).trim();
}
readColours();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);

function colourOf(column) {
  return column.colour || ink[column.label] || ink.unit;
}

// ---- canvas -------------------------------------------------------------------------------

/** Returns a pen for a canvas that fits its place on the screen, wiped clean. */
function fresh(canvas, height) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  const width = canvas.clientWidth;
  if (height) canvas.style.height = `${height}px`;
  const tall = height || canvas.clientHeight;
  const [across, down] = [Math.round(width * scale), Math.round(tall * scale)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, tall);
  pen.font = "11px system-ui, sans-serif";
  pen.lineJoin = "round";
  return { pen, width, height: tall };
}

/** Returns the pixel of a time: the newest lies at the right edge. */
function across(time, now, width) {
  return LEFT + (1 - (now - time) / data.seconds) * (width - LEFT - RIGHT);
}

function drawAxis({ pen, width, height }) {
  pen.fillStyle = ink.soft;
  pen.textBaseline = "bottom";
  const step = width < 300 ? 10 : 5;
  for (let back = data.seconds; back >= 0; back -= step) {
    pen.textAlign = back ? (back === data.seconds ? "left" : "center") : "right";
    pen.fillText(back ? `−${back} s` : "now", across(-back, 0, width), height);
  }
}

function drawLevels({ pen, width }, levels, place) {
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const [value, name] of levels) {
    const y = Math.round(place(value)) + 0.5;
    pen.strokeStyle = ink.line;
    pen.beginPath();
    pen.moveTo(LEFT, y);
    pen.lineTo(width - RIGHT, y);
    pen.stroke();
    pen.fillStyle = ink.soft;
    pen.fillText(name, LEFT - 6, y);
  }
}

function drawCuts({ pen, width }, cuts, now, bottom) {
  pen.strokeStyle = ink.cut;
  pen.setLineDash([3, 3]);
  pen.beginPath();
  for (const cut of cuts) {
    const x = across(cut, now, width);
    if (x < LEFT) continue;
    pen.moveTo(x, 0);
    pen.lineTo(x, bottom);
  }
  pen.stroke();
  pen.setLineDash([]);
}

// ---- curves -------------------------------------------------------------------------------

/** Draws one column over time, with a rim that keeps pale colours apart from the ground. */
function drawLine({ pen, width }, points, at, now, place, colour) {
  const path = new Path2D();
  let last = -Infinity;
  for (const point of points) {
    const x = across(point.time, now, width);
    const y = place(point.values[at]);
    if (x >= LEFT) path[point.time - last > BREAK ? "moveTo" : "lineTo"](x, y);
    last = x >= LEFT ? point.time : -Infinity;
  }
  pen.strokeStyle = ink.ink;
  pen.lineWidth = 3;
  pen.globalAlpha = 0.28;
  pen.stroke(path);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.8;
  pen.globalAlpha = 1;
  pen.stroke(path);
  pen.lineWidth = 1;
}

/** Draws columns as lines between the lowest and the highest value. */
function drawLines(canvas, columns, face, now, cuts, [low, high, levels, tall]) {
  const sheet = fresh(canvas, tall);
  const bottom = sheet.height - AXIS;
  const place = (value) => 7 + (1 - (value - low) / (high - low)) * (bottom - 12);
  drawLevels(sheet, levels, place);
  drawCuts(sheet, cuts, now, bottom);
  for (const [at, column] of columns) drawLine(sheet, face.points, at, now, place, colourOf(column));
  drawAxis(sheet);
}

/** Draws action units as strips that are the darker the more active the unit is. */
function drawStrips(canvas, columns, face, now, cuts) {
  const sheet = fresh(canvas, STRIP * columns.length + AXIS);
  const { pen, width } = sheet;
  columns.forEach(([at, column], row) => {
    const top = row * STRIP;
    pen.fillStyle = ink.track;
    pen.fillRect(LEFT, top + 1, width - LEFT - RIGHT, STRIP - 2);
    pen.fillStyle = ink.soft;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(column.label, LEFT - 6, top + STRIP / 2);
    pen.fillStyle = ink.unit;
    const [low, high] = column.range;
    face.points.forEach((point, index) => {
      const next = face.points[index + 1];
      const end = next && next.time - point.time <= BREAK ? next.time : point.time + 0.05;
      const x = Math.max(across(point.time, now, width), LEFT);
      const wide = Math.min(across(end, now, width), width - RIGHT) - x;
      pen.globalAlpha = Math.min(Math.max((point.values[at] - low) / (high - low), 0), 1);
      if (wide > 0) pen.fillRect(x, top + 1, wide + 0.4, STRIP - 2);
    });
    pen.globalAlpha = 1;
  });
  drawCuts(sheet, cuts, now, sheet.height - AXIS);
  drawAxis(sheet);
}
