// What both kinds of work share: player, recorder, controls, keys, and what is said of saving.

import { Refusal, videoAddress } from "./api.js";
import { clock } from "./canvas.js";
import { confirmed, notice } from "./dialogs.js";
import { Player } from "./player.js";
import { Recorder } from "./recorder.js";

const NUDGE = 2;
const REWIND = 5;

export function button(text, key, title, work) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (key) {
    const shown = document.createElement("kbd");
    shown.textContent = key;
    made.append(" ", shown);
  }
  made.title = title;
  made.addEventListener("click", (event) => {
    work();
    if (event.detail > 0) made.blur();
  });
  return made;
}

/** Say how safe the work is. */
export function say(state) {
  const saved = document.getElementById("saved");
  const banner = document.getElementById("banner");
  const text = state === null ? "" : state.unsent ? `${state.unsent} unsent` : "Saved";
  if (saved.textContent !== text) saved.textContent = text;
  saved.classList.toggle("unsafe", Boolean(state?.unsent && state.gone));
  const words = !state ? "" : state.gone
    ? `The server is gone. Go on: ${state.unsent} events are kept in this browser and sent when it is back.`
    : state.trouble ?? "";
  if (banner.textContent !== words) banner.textContent = words;
  banner.hidden = !words;
}

export class Work {
  /**
   * @param {HTMLElement} main
   * @param {object} item  of the list
   * @param {object} task  kind, labels, units
   * @param {() => void} onward  goes to what is next
   */
  constructor(main, item, task, onward) {
    this.item = item;
    this.task = task;
    this.onward = onward;
    this.gone = new AbortController();
    this.main = main;
    this.recorder = new Recorder({ task: item.task, video: item.video, turn: item.turn }, {
      before: () => this.flush(),
      count: (unsent) => (document.getElementById("saved").dataset.unsent = unsent),
      state: (state) => say(state),
      lost: (unsent) => this.lost(unsent),
    });
  }

  /** Begin; return if the item could be opened. */
  async begin(take) {
    let state;
    try {
      state = await this.recorder.open(take);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 409) throw error;
      const words = `${this.item.task} is open in another window under your name. Only one can be worked in.`;
      if (!(await confirmed("Open elsewhere", words, "Take over here", "Back to the list"))) return false;
      state = await this.recorder.open(true);
    }
    this.state = state;
    const view = document.getElementById(`${this.task.kind}-view`).content.cloneNode(true);
    this.main.replaceChildren(view);
    this.video = this.main.querySelector("video");
    this.player = new Player(this.video, state.step, {
      frame: (second) => this.frame(second),
      pause: (ended) => this.paused(ended),
      seek: (second) => this.sought(second),
      rate: (rate) => this.paced(rate),
      blur: () => this.recorder.add("blur", { media: this.player.time }),
      problem: (text) => this.unplayable(text),
      ready: () => this.ready(),
    });
    this.video.addEventListener("play", () => this.started());
    this.video.addEventListener("click", () => this.player.toggle());
    this.build();
    this.controls();
    if (state.prefill) this.recorder.add("prefill", { value: state.prefill.hidden ? 0 : 1 });
    this.recorder.add("open", { detail: { agent: navigator.userAgent, width: innerWidth, height: innerHeight } });
    this.video.src = videoAddress(this.item.video);
    addEventListener("keydown", (event) => this.key(event), { signal: this.gone.signal });
    const draw = (now) => {
      if (this.gone.signal.aborted) return;
      this.draw(now);
      this.shown();
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
    return true;
  }

  // What the kinds of work add to.
  build() {}
  draw() {}
  flush() {}
  frame() {}
  started() {
    this.recorder.add("play", { media: this.player.time, rate: this.video.playbackRate });
  }
  paused(_ended) {
    this.recorder.add("pause", { media: this.player.time });
  }
  sought(second) {
    if (!this.settling) this.recorder.add("seek", { media: second });
    this.settling = false;
  }
  paced(rate) {
    this.recorder.add("rate", { media: this.player.time, value: rate });
  }
  start() {
    return 0;
  }

  /** The video is known: go to where the annotator stopped, less a run-up. */
  ready() {
    const start = this.start();
    if (start > 0 && start < this.player.limit) {
      this.settling = true;
      this.player.seek(start);
    }
  }

  controls() {
    const place = document.getElementById("controls");
    this.go = button("Play", "Space", "Play or pause", () => this.player.toggle());
    this.go.className = "primary";
    this.clock = document.createElement("output");
    this.clock.className = "clock";
    this.pace = document.createElement("output");
    this.pace.className = "pace";
    const end = button("Finish", "f", "This video is finished; go to the next", () => this.finish());
    end.className = "finish";
    const slower = button("Slower", "[", "Play slower", () => this.player.pace(-1));
    const quicker = button("Faster", "]", "Play faster", () => this.player.pace(1));
    slower.classList.add("minor");
    quicker.classList.add("minor");
    place.append(this.go, this.clock, ...this.more(), slower, this.pace, quicker, end);
  }

  more() {
    return [];
  }

  shown() {
    const length = this.player.length;
    const text = `${clock(this.player.time, true)} / ${clock(length)}`;
    if (this.clock.textContent !== text) this.clock.textContent = text;
    const pace = `${this.video.playbackRate}×`;
    if (this.pace.textContent !== pace) this.pace.textContent = pace;
    const word = this.video.paused ? "Play" : "Pause";
    if (this.go.firstChild.data !== word) this.go.firstChild.data = word;
  }

  /** A key that both kinds of work know, unless something else has it. */
  key(event) {
    if (document.querySelector("dialog[open]") || event.target.closest?.("input, select, textarea")) return;
    if (event.target.closest?.("button, a") && (event.key === " " || event.key === "Enter")) return;
    if (event.altKey || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() !== "z")) return;
    if (this.own(event) || this.common(event)) event.preventDefault();
  }

  own(_event) {
    return false;
  }

  common(event) {
    const { player } = this;
    const keys = {
      " ": () => event.repeat || player.toggle(),
      ",": () => player.stepBy(-1),
      ".": () => player.stepBy(1),
      "[": () => player.pace(-1),
      "]": () => player.pace(1),
      j: () => player.seek(player.time - NUDGE),
      l: () => player.seek(player.time + NUDGE),
      Home: () => player.seek(0),
      End: () => player.length && player.seek(player.length),
      m: () => (this.video.muted = !this.video.muted),
      f: () => event.repeat || this.finish(),
      n: () => this.neutral?.(),
      ArrowLeft: () => (event.shiftKey ? player.stepBy(-1) : player.seek(player.time - NUDGE)),
      ArrowRight: () => (event.shiftKey ? player.stepBy(1) : player.seek(player.time + NUDGE)),
      Escape: () => (location.hash = "#/"),
    };
    if (!Object.hasOwn(keys, event.key)) return false;
    keys[event.key]();
    return true;
  }

  rewindBy() {
    return Math.max(0, this.player.time - REWIND);
  }

  async finish() {
    this.player.pause();
    const gap = this.unfinished();
    if (gap && !(await confirmed("Finish?", gap, "Finish all the same", "Go on"))) return;
    this.recorder.add("done");
    await this.recorder.send();
    this.onward();
  }

  unfinished() {
    return "";
  }

  unplayable(text) {
    const said = this.state.problem || `This browser cannot play ${this.item.video}. ${text}`;
    const place = document.createElement("div");
    place.className = "problem";
    place.setAttribute("role", "alert");
    place.textContent = said;
    this.video.after(place);
  }

  async lost(unsent) {
    this.player.pause();
    say({ unsent, trouble: "This window has stopped: another one has taken over." });
    const kept = unsent ? ` ${unsent} events that it had not sent are kept in this browser and will be added.` : "";
    const words = `Another window has taken over ${this.item.task}.${kept}`;
    if (await confirmed("This window has stopped", words, "Take over again", "Back to the list")) this.again?.();
    else location.hash = "#/";
  }

  /** End; what is unsent is sent, or kept. */
  async close() {
    this.player?.pause();
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.gone.abort();
    const safe = await this.recorder.close();
    this.player?.close();
    if (safe) say(null);
    return safe;
  }

  warn(text) {
    notice(text);
  }
}
