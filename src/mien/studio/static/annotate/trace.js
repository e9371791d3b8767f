// Tracing valence, arousal or both.

import { Work, button } from "./frame.js";
import { Scale } from "./inputs.js";
import { Stick } from "./stick.js";
import { Tracing } from "./tracing.js";
import { Line, Trail } from "./trail.js";

const RUN_UP = 3;

export class TraceWork extends Work {
  build() {
    this.tracing = new Tracing(this.task.labels, this.state.courses, (kind, told) => this.recorder.add(kind, told));
    this.scale = new Scale(document.getElementById("scale"), this.tracing, this.gone.signal);
    this.trail = new Trail(document.getElementById("trail"));
    this.line = new Line(document.getElementById("line"), this.player, this.gone.signal);
    this.mode = document.getElementById("mode");
    this.stick = new Stick(this.task.labels);
    this.tracing.rate = this.video.playbackRate;
    addEventListener("keyup", (event) => this.scale.release(event), { signal: this.gone.signal });
    addEventListener("blur", () => this.scale.letGo(), { signal: this.gone.signal });
    this.legend();
  }

  legend() {
    const place = document.getElementById("legend");
    const prefill = this.state.prefill;
    if (this.task.labels.length === 1 && !prefill?.curves) return;
    for (const label of this.task.labels) {
      const entry = document.createElement("span");
      entry.className = label;
      entry.textContent = label;
      place.append(entry);
    }
    if (prefill?.curves) place.append("dotted: predicted");
  }

  start() {
    const end = this.tracing.end;
    return end >= this.player.limit - 0.1 ? 0 : end - RUN_UP;
  }

  more() {
    return [
      button("Back 5 s, overwrite", "Bksp", "Go back five seconds and record anew from there", () => this.back()),
      button("Overwrite from here", "Enter", "Record anew from here", () => this.overwrite()),
    ];
  }

  started() {
    super.started();
    this.frame(this.player.time);
  }

  frame(second) {
    this.tracing.frame(second, this.player.playing);
  }

  flush() {
    this.tracing?.flush();
  }

  paused(ended) {
    this.tracing.rest(ended ? this.player.length : this.video.currentTime);
    super.paused(ended);
  }

  sought(second) {
    this.tracing.rest(this.tracing.last ?? 0);
    super.sought(second);
  }

  paced(rate) {
    this.tracing.rate = rate;
    super.paced(rate);
  }

  back() {
    const second = this.rewindBy();
    this.tracing.overwrite(second);
    this.player.seek(second);
  }

  overwrite() {
    const second = this.player.time;
    if (second < this.tracing.end) this.tracing.overwrite(second);
  }

  undo() {
    this.player.pause();
    if (!this.tracing.undo()) this.warn("Nothing was overwritten since you opened this video.");
  }

  own(event) {
    if (event.key.toLowerCase() === "z") {
      this.undo();
      return true;
    }
    if (event.ctrlKey || event.metaKey) return false;
    if (event.key === "Backspace") this.back();
    else if (event.key === "Enter") this.overwrite();
    else if (event.shiftKey && /^Arrow(Left|Right)$/.test(event.key)) return false;
    else return this.scale.press(event);
    return true;
  }

  draw(now) {
    this.scale.hold(now);
    this.stick.look(now, this.tracing, { play: () => this.player.toggle(), back: () => this.back() });
    this.scale.draw();
    const shown = this.player.time;
    this.trail.draw(shown, this.tracing, this.state.prefill);
    this.line.draw(shown, this.tracing);
    const word = this.video.paused ? "" : this.tracing.recording ? "recording" : "watching what is there";
    if (this.mode.textContent !== word) this.mode.textContent = word;
    this.mode.classList.toggle("on", this.tracing.recording);
  }

  close() {
    this.tracing?.rest(this.video.currentTime);
    return super.close();
  }

  unfinished() {
    const left = this.player.length - this.tracing.end;
    return left > 1 ? `The last ${Math.round(left)} seconds have no values yet.` : "";
  }
}
