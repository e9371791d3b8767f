// Expressions and action units: stretches of the video with a label.

import { videoAddress } from "./api.js";
import { clock } from "./canvas.js";
import { Work, button } from "./frame.js";
import { Lanes } from "./lanes.js";
import { Pieces } from "./pieces.js";

const GRADES = ["A", "B", "C", "D", "E"];
const SPANS = [Infinity, 60, 30, 15, 8, 4];
const RUN_UP = 3;

export const keyOf = (at) => (at < 10 ? String((at + 1) % 10) : at < 20 ? `⇧${(at - 9) % 10}` : "");

export class SegmentsWork extends Work {
  build() {
    this.pieces = new Pieces(this.state.segments, !this.task.units, (kind, detail) => {
      this.recorder.add(kind, { media: this.player.time, label: detail.label ?? "", detail });
      this.renew();
    });
    this.chosen = null;
    this.span = 0;
    this.suggested = this.state.prefill?.segments ?? [];
    this.lanes = new Lanes(document.getElementById("line"), this.player, this.gone.signal, {
      choose: (id) => this.choose(id, false),
      move: (id, end, second) => this.edge(id, end, second),
    });
    this.lanes.canvas.parentElement.style.height = `${Math.max(4, 1.35 * this.task.labels.length + 1.4)}rem`;
    const place = document.getElementById("labels");
    this.buttons = this.task.labels.map((label, at) =>
      button(label.replaceAll("_", " "), keyOf(at), `${label} begins or ends here`, () => this.toggle(label)));
    place.append(...this.buttons);
    if (this.suggested.length) {
      place.append(button("Take over predictions", "y", "Make segments of what was predicted", () => this.take()));
    }
    this.still(this.state.neutral);
    this.renew();
  }

  start() {
    const ends = [...this.pieces.all()].map((piece) => piece.end ?? piece.start);
    const end = Math.max(0, ...ends);
    return end >= this.player.limit - 0.1 ? 0 : Math.max(0, end - RUN_UP);
  }

  more() {
    return [
      button("− frame", ",", "A frame back", () => this.player.stepBy(-1)),
      button("+ frame", ".", "A frame on", () => this.player.stepBy(1)),
      button("Neutral face", "n", "Keep this frame beside the video", () => this.neutral()),
      button("Undo", "z", "Undo the last change", () => this.undo()),
    ];
  }

  /** A label begins here, or ends where it is open. */
  toggle(label) {
    const now = this.player.time;
    const open = this.pieces.open(label);
    if (open && now <= open.start) return this.warn(`${label} began at ${clock(open.start, true)}: it cannot end before.`);
    if (open) {
      this.pieces.change(open.id, { end: now });
      this.chosen = open.id;
    } else this.chosen = this.pieces.begin(label, now);
    this.renew();
  }

  /** Move the chosen segment's start or end, if the two stay in order. */
  edge(id, end, second) {
    const piece = this.pieces.get(id);
    if (!piece) return;
    const start = end ? piece.start : second;
    const stop = end ? second : piece.end;
    if (stop !== null && stop <= start) return this.warn("It would end before it begins.");
    const inside = piece.apex !== null && piece.apex >= start && (stop === null || piece.apex <= stop);
    this.pieces.change(id, { start, end: stop, apex: inside ? piece.apex : null });
  }

  withChosen(work) {
    const piece = this.pieces.get(this.chosen);
    if (piece) work(piece);
    else this.warn("Choose a segment first: click it, or ↑ ↓.");
  }

  apex() {
    this.withChosen((piece) => {
      const now = this.player.time;
      if (now < piece.start || (piece.end !== null && now > piece.end)) {
        return this.warn("The apex lies between the segment's beginning and end.");
      }
      this.pieces.change(piece.id, { apex: now });
    });
  }

  grade(grade) {
    this.withChosen((piece) => {
      const intensity = piece.intensity === grade ? null : grade;
      this.pieces.change(piece.id, { intensity });
    });
  }

  unscorable() {
    this.withChosen((piece) => this.pieces.change(piece.id, { scorable: !piece.scorable }));
  }

  remove() {
    this.withChosen((piece) => this.pieces.remove(piece.id));
  }

  take() {
    const there = new Set([...this.pieces.all()].map((piece) => `${piece.label} ${piece.start}`));
    const fresh = this.suggested.filter((one) => !there.has(`${one.label} ${one.start}`));
    for (const one of fresh) this.pieces.put({ ...one, source: "prefill" });
    this.warn(`${fresh.length} segments taken over.`);
  }

  undo() {
    if (!this.pieces.undo()) this.warn("There is nothing to undo.");
    if (!this.pieces.get(this.chosen)) this.chosen = null;
    this.renew();
  }

  choose(id, go = true) {
    this.chosen = id;
    if (go) this.player.seek(this.pieces.get(id).start + this.player.step / 2);
    this.renew();
  }

  chooseNext(way) {
    const all = [...this.pieces.all()].sort((one, other) => one.start - other.start);
    if (!all.length) return;
    const at = all.findIndex((piece) => piece.id === this.chosen);
    const next = at < 0 ? (way > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + way));
    this.choose(all[next].id);
  }

  neutral() {
    this.recorder.add("neutral", { media: this.player.time });
    this.picture(this.video, this.player.time);
  }

  /** Show the frame that was marked as neutral earlier. */
  still(second) {
    if (second === null) return this.picture(null);
    const other = document.createElement("video");
    other.muted = true;
    other.preload = "auto";
    other.src = videoAddress(this.item.video);
    other.addEventListener("loadeddata", () => (other.currentTime = second + this.player.step / 2), { once: true });
    other.addEventListener("seeked", () => {
      this.picture(other, second);
      other.removeAttribute("src");
      other.load();
    }, { once: true });
  }

  picture(video, second) {
    const place = document.getElementById("neutral");
    const canvas = place.querySelector("canvas");
    canvas.hidden = video === null;
    place.querySelector("figcaption").textContent = video === null
      ? "No neutral face yet: press n where the face is neutral."
      : `Neutral at ${clock(second, true)}`;
    if (video === null) return;
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
  }

  own(event) {
    const { key } = event;
    if (key.toLowerCase() === "z") {
      this.undo();
      return true;
    }
    if (event.ctrlKey || event.metaKey) return false;
    const digit = /^Digit(\d)$/.exec(event.code)?.[1] ?? /^(\d)$/.exec(key)?.[1];
    if (digit !== undefined) {
      const label = this.task.labels[((Number(digit) + 9) % 10) + (event.shiftKey ? 10 : 0)];
      if (label && !event.repeat) this.toggle(label);
      return true;
    }
    const grade = this.task.units && !event.shiftKey ? GRADES.indexOf(key.toUpperCase()) : -1;
    const keys = {
      ArrowUp: () => this.chooseNext(-1),
      ArrowDown: () => this.chooseNext(1),
      i: () => this.withChosen((piece) => this.edge(piece.id, false, this.player.time)),
      o: () => this.withChosen((piece) => this.edge(piece.id, true, this.player.time)),
      x: () => this.unscorable(),
      y: () => this.take(),
      Delete: () => this.remove(),
      Backspace: () => this.remove(),
      "+": () => this.zoom(1),
      "=": () => this.zoom(1),
      "-": () => this.zoom(-1),
      ...(this.task.units ? { p: () => this.apex() } : {}),
    };
    if (grade >= 0) this.grade(grade + 1);
    else if (Object.hasOwn(keys, key)) keys[key]();
    else return false;
    return true;
  }

  zoom(way) {
    this.span = Math.min(SPANS.length - 1, Math.max(0, this.span + way));
  }

  /** What is said of the chosen segment, and which labels are open. */
  renew() {
    this.task.labels.forEach((label, at) => {
      const open = Boolean(this.pieces.open(label));
      this.buttons?.[at].setAttribute("aria-pressed", String(open));
    });
    const place = document.getElementById("chosen");
    const piece = this.pieces.get(this.chosen);
    if (!piece) {
      place.textContent = "No segment is chosen.";
      return;
    }
    const end = piece.end === null ? "open" : clock(piece.end, true);
    const name = document.createElement("b");
    name.textContent = piece.label.replaceAll("_", " ");
    const parts = [name, `${clock(piece.start, true)} – ${end}`];
    if (this.task.units) {
      parts.push(button(piece.apex === null ? "Apex" : `Apex ${clock(piece.apex, true)}`, "p", "The apex is here", () => this.apex()));
      const row = document.createElement("span");
      row.className = "grades";
      GRADES.forEach((grade, at) => {
        const one = button(grade, "", `Intensity ${grade}`, () => this.grade(at + 1));
        one.setAttribute("aria-pressed", String(piece.intensity === at + 1));
        row.append(one);
      });
      parts.push(row);
    }
    const cannot = button("Cannot be scored", "x", "It cannot be told there", () => this.unscorable());
    cannot.setAttribute("aria-pressed", String(!piece.scorable));
    place.replaceChildren(...parts, cannot, button("Remove", "Del", "Remove this segment", () => this.remove()));
  }

  draw() {
    this.lanes.draw(this.player.time, SPANS[this.span], {
      labels: this.task.labels, pieces: [...this.pieces.all()], suggested: this.suggested, chosen: this.chosen,
    });
  }

  unfinished() {
    const open = [...this.pieces.all()].filter((piece) => piece.end === null).map((piece) => piece.label);
    return open.length ? `Still open, and left out of the result until they end: ${open.join(", ")}.` : "";
  }
}
