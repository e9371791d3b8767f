// The trail of the last seconds, and the line of the whole video.

import { Sheet, choose, clock } from "./canvas.js";
import { known } from "./course.js";

const BACK = 8;
const AHEAD = 1.5;

export class Trail {
  constructor(canvas) {
    this.sheet = new Sheet(canvas);
  }

  draw(now, tracing, prediction) {
    const { sheet } = this;
    const [width, height] = sheet.clear();
    const x = (second) => ((second - now + BACK) / (BACK + AHEAD)) * width;
    const y = (value) => height / 2 - (value * (height - 10)) / 2;
    for (const level of [-0.5, 0.5]) sheet.rule(0, y(level), width, y(level), sheet.colour("track"));
    sheet.rule(0, y(0), width, y(0), sheet.colour("line"));
    for (let second = Math.ceil(now - BACK); second <= now + AHEAD; second += 1) {
      if (second < 0 || second % 2) continue;
      sheet.rule(x(second), height - 5, x(second), height, sheet.colour("soft"));
      sheet.text(clock(second), x(second) + 4, height - 8, sheet.colour("soft"));
    }
    for (const [label, values] of Object.entries(prediction?.curves ?? {})) {
      const from = prediction.times.findIndex((time) => time >= now - BACK) - 1;
      if (prediction.times.length) sheet.steps(prediction.times, values, from, x, y, sheet.colour(label), [3, 4]);
    }
    for (const label of tracing.labels) {
      const course = tracing.courses[label];
      const [first, end] = [Math.max(0, course.at(now - BACK) - 1), course.at(now + AHEAD) + 1];
      const [times, values] = [course.times.slice(first, end), course.values.slice(first, end)];
      if (times.length && values.at(-1) !== null && now > times.at(-1)) {
        times.push(now);
        values.push(values.at(-1));
      }
      sheet.steps(times, values, 0, x, y, sheet.colour(label));
    }
    sheet.rule(x(now), 0, x(now), height, sheet.colour("ink"), 1.5);
    for (const label of tracing.labels) {
      sheet.pen.fillStyle = sheet.colour(tracing.recording ? "record" : label);
      sheet.pen.beginPath();
      sheet.pen.arc(x(now), y(tracing.values[label]), 5, 0, 7);
      sheet.pen.fill();
    }
  }
}

const STALE = 500;  // milliseconds after which the line of the whole video is drawn anew
const FINEST = 2;  // points of a course for each pixel across, at most

export class Line {
  constructor(canvas, player, signal) {
    this.sheet = new Sheet(canvas);
    this.below = new Sheet(document.createElement("canvas"));
    this.player = player;
    this.drawn = -Infinity;
    const go = (across) => player.seek((across / canvas.clientWidth) * player.length);
    choose(canvas, signal, go);
  }

  draw(now, tracing) {
    const { sheet, player } = this;
    const [width, height] = sheet.clear();
    const size = `${width} ${height} ${devicePixelRatio} ${sheet.colour("ink")}`;
    if (performance.now() - this.drawn > STALE || this.size !== size) {
      this.courses(tracing, width, height);
      this.drawn = performance.now();
      this.size = size;
    }
    sheet.pen.drawImage(this.below.canvas, 0, 0, width, height);
    const x = (now / (player.length || 1)) * width;
    sheet.rule(x, 0, x, height, sheet.colour("ink"), 2);
  }

  /** Draw all courses on a sheet of their own, which is shown until they have changed. */
  courses(tracing, width, height) {
    const { below, player } = this;
    const length = player.length || 1;
    const x = (second) => (second / length) * width;
    const y = (value) => height / 2 - (value * (height - 8)) / 2;
    below.clear(width, height);
    below.pen.fillStyle = below.colour("seen-paper");
    for (const [start, end] of known(tracing.courses[tracing.labels[0]])) {
      below.pen.fillRect(x(start), 0, Math.max(1, x(end) - x(start)), height);
    }
    below.rule(0, y(0), width, y(0), below.colour("line"));
    for (const label of tracing.labels) {
      const { times, values } = tracing.courses[label];
      const every = Math.max(1, Math.ceil(times.length / (FINEST * width)));
      const keep = (_, at) => at % every === 0 || at === times.length - 1;
      below.steps(times.filter(keep), values.filter(keep), 0, x, y, below.colour(label));
    }
  }
}
