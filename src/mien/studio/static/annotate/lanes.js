// The time line of segments: a lane for each label.

import { Sheet, choose, clock } from "./canvas.js";

const LEFT = 104;
const NARROW = 72;
const FOOT = 18;
const EDGE = 7;
const GRADES = "ABCDE";

export class Lanes {
  /** @param {{choose: (id: string|null) => void, move: (id: string, end: boolean, second: number) => void}} hooks */
  constructor(canvas, player, signal, hooks) {
    this.canvas = canvas;
    this.sheet = new Sheet(canvas);
    this.player = player;
    this.boxes = [];
    this.held = null;
    this.moved = null;
    const press = (across, down) => {
      const edge = this.boxes.find((box) => box.chosen && this.edgeOf(box, across, down) !== null);
      if (edge) {
        this.held = { id: edge.id, end: this.edgeOf(edge, across, down) };
        return;
      }
      const box = this.boxes.find((one) => across >= one.left - 2 && across <= one.right + 2 && down >= one.top && down <= one.bottom);
      hooks.choose(box?.id ?? null);
      if (across > this.left) player.seek(this.second(across));
    };
    const drag = (across) => {
      if (this.held) this.moved = this.second(Math.max(this.left, across));
      else if (across > this.left) player.seek(this.second(across));
    };
    choose(canvas, signal, press, drag);
    canvas.addEventListener("pointerup", () => {
      if (this.held && this.moved !== null) hooks.move(this.held.id, this.held.end, this.moved);
      this.held = this.moved = null;
    }, { signal });
  }

  edgeOf(box, across, down) {
    if (down < box.top || down > box.bottom) return null;
    if (Math.abs(across - box.left) <= EDGE) return false;
    if (box.closed && Math.abs(across - box.right) <= EDGE) return true;
    return null;
  }

  second(across) {
    const share = (across - this.left) / (this.width - this.left);
    return Math.min(this.player.limit, Math.max(0, this.from + share * this.span));
  }

  /** The window on the video: all of it, or `span` seconds around now. */
  look(now, span) {
    const length = this.player.length || 1;
    this.span = Math.min(span, length);
    this.from = Math.min(Math.max(0, now - this.span / 2), length - this.span);
  }

  draw(now, span, told) {
    const { sheet } = this;
    const [width, height] = sheet.clear();
    this.width = width;
    this.left = width < 560 ? NARROW : LEFT;
    this.look(now, span);
    const lane = (height - FOOT) / told.labels.length;
    const x = (second) => this.left + ((second - this.from) / this.span) * (width - this.left);
    told.labels.forEach((label, at) => {
      sheet.pen.fillStyle = at % 2 ? sheet.colour("paper") : sheet.colour("track");
      sheet.pen.fillRect(0, at * lane, width, lane);
      sheet.text(label.replaceAll("_", " "), 8, (at + 0.5) * lane, sheet.colour("ink"));
    });
    this.ticks(x, height, width);
    sheet.pen.save();
    sheet.pen.beginPath();
    sheet.pen.rect(this.left, 0, width - this.left, height);
    sheet.pen.clip();
    for (const one of told.suggested) this.suggestion(one, told.labels.indexOf(one.label) * lane, lane, x);
    this.boxes = told.pieces.map((piece) => this.box(piece, told, lane, x, now));
    sheet.rule(x(now), 0, x(now), height, sheet.colour("ink"), 2);
    sheet.pen.restore();
  }

  ticks(x, height, width) {
    const steps = [0.5, 1, 2, 5, 10, 30, 60, 300, 600];
    const step = steps.find((one) => (one / this.span) * (width - this.left) > 56) ?? 1800;
    for (let second = Math.ceil(this.from / step) * step; second <= this.from + this.span; second += step) {
      this.sheet.rule(x(second), height - FOOT, x(second), height - FOOT + 4, this.sheet.colour("soft"));
      const text = step < 1 ? clock(second, true) : clock(second);
      if (x(second) < width - 34) this.sheet.text(text, x(second) + 3, height - FOOT / 2 + 1, this.sheet.colour("soft"));
    }
  }

  suggestion(one, top, lane, x) {
    const { pen } = this.sheet;
    pen.strokeStyle = this.sheet.colour("soft");
    pen.setLineDash([3, 3]);
    pen.lineWidth = 1;
    pen.strokeRect(x(one.start), top + 2.5, Math.max(2, x(one.end) - x(one.start)), lane - 5);
    pen.setLineDash([]);
  }

  box(piece, told, lane, x, now) {
    const { sheet } = this;
    const chosen = piece.id === told.chosen;
    let { start, end } = piece;
    if (this.held?.id === piece.id && this.moved !== null) {
      if (this.held.end) end = this.moved;
      else start = this.moved;
    }
    const top = told.labels.indexOf(piece.label) * lane + 3;
    const [left, right] = [x(start), Math.max(x(end ?? Math.max(now, start)), x(start) + 3)];
    sheet.pen.fillStyle = sheet.colour(piece.scorable ? "accent" : "soft");
    sheet.pen.globalAlpha = chosen ? 1 : 0.62;
    sheet.pen.beginPath();
    sheet.pen.roundRect(left, top, right - left, lane - 6, 4);
    sheet.pen.fill();
    sheet.pen.globalAlpha = 1;
    if (end === null) sheet.rule(right, top - 2, right, top + lane - 4, sheet.colour("record"), 3);
    if (chosen) {
      sheet.pen.strokeStyle = sheet.colour("ink");
      sheet.pen.lineWidth = 2;
      sheet.pen.stroke();
    }
    const colour = sheet.colour("on-accent");
    const words = `${piece.intensity ? GRADES[piece.intensity - 1] : ""}${piece.scorable ? "" : " ?"}`.trim();
    if (words && right - left > 16) sheet.text(words, left + 5, top + lane / 2 - 3, colour);
    if (piece.apex !== null && piece.apex !== undefined) {
      sheet.rule(x(piece.apex), top + 1, x(piece.apex), top + lane - 7, colour, 2);
    }
    return { id: piece.id, left, right, top, bottom: top + lane - 6, chosen, closed: end !== null };
  }
}
