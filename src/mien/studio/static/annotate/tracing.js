// Records values while the video plays, and follows them where they are there already.

import { Course } from "./course.js";

const clamp = (value) => Math.min(1, Math.max(-1, value));
const rounded = (value) => Math.round(value * 1e4) / 1e4;

export class Tracing {
  /**
   * @param {string[]} labels
   * @param {Record<string, [number[], (number|null)[]]>} stored
   * @param {(kind: string, told?: object) => void} add  records an event
   */
  constructor(labels, stored, add) {
    this.labels = labels;
    this.add = add;
    this.courses = {};
    this.values = {};
    for (const label of labels) {
      this.courses[label] = new Course(...(stored[label] ?? [[], []]));
      this.values[label] = 0;
    }
    this.before = [];
    this.held = {};
    this.device = "keys";
    this.rate = 1;
    this.recording = false;
    this.last = null;
    this.follow(this.end);
  }

  /** Up to where everything is traced. */
  get end() {
    return Math.max(...this.labels.map((label) => this.courses[label].end));
  }

  set(label, value, device) {
    this.values[label] = rounded(clamp(value));
    this.device = device;
  }

  /** Take the values that are there at a second, so that going on starts from them. */
  follow(second) {
    for (const label of this.labels) {
      const course = this.courses[label];
      const there = course.value(second) ?? course.values.findLast((value) => value !== null);
      if (there !== undefined && there !== null) this.values[label] = there;
    }
  }

  /** A frame is shown. */
  frame(second, playing) {
    if (!playing) return;
    if (!this.recording) {
      if (second < this.end - 1e-3) return this.follow(second);
      this.recording = true;
      this.last = null;
    }
    if (this.last !== null && second <= this.last) return;
    this.last = second;
    for (const label of this.labels) this.stamp(label, second, this.values[label]);
  }

  /** Keep a value at a time; of a value that is held only the first and the last time. */
  stamp(label, second, value) {
    const held = this.held[label];
    this.courses[label].add(second, value);
    if (held && held.value === value) {
      held.until = second;
      return;
    }
    this.settle(label);
    this.emit(label, second, value);
    this.held[label] = { value, until: null };
  }

  emit(label, media, value) {
    this.add("value", { media, label, value, device: this.device, rate: this.rate });
  }

  /** Record until when the value at hand has been held. */
  settle(label) {
    const held = this.held[label];
    if (held?.until != null) {
      this.emit(label, held.until, held.value);
      held.until = null;
    }
  }

  /** What is to be done before events are sent. */
  flush() {
    for (const label of this.labels) this.settle(label);
  }

  /** Recording stops at a second: from there nothing is known. */
  rest(second) {
    if (!this.recording) return;
    this.flush();
    this.held = {};
    this.recording = false;
    const media = Math.max(second, this.last ?? 0);
    for (const label of this.labels) this.courses[label].rest(media);
    this.add("rest", { media });
  }

  /** What is at or after a second goes, and is recorded anew. */
  overwrite(second) {
    this.rest(second);
    this.before.push(Object.fromEntries(this.labels.map((label) => [label, this.courses[label].copy()])));
    this.follow(second);
    for (const label of this.labels) this.courses[label].cut(second);
    this.add("from", { media: second });
  }

  /** What the last overwriting took comes back; return if there was any. */
  undo() {
    if (!this.before.length) return false;
    this.rest(this.last ?? 0);
    this.courses = this.before.pop();
    this.add("undo");
    return true;
  }
}
