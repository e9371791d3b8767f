// Mouse, touch, wheel and keys that set values: a scale of one dimension, or a plane of two.

const STEP = 0.05;
const FINE = 0.01;
const PACE = 1.0;  // a key held moves by so much a second
const DELAY = 250;

const AXES = {
  valence: { low: "unpleasant", high: "pleasant", keys: ["ArrowLeft", "ArrowRight"] },
  arousal: { low: "calm", high: "excited", keys: ["ArrowDown", "ArrowUp"] },
};

export const signed = (value) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`);

function element(kind, name, text = "") {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = text;
  return made;
}

export class Scale {
  /** @param {HTMLElement} place @param {import("./tracing.js").Tracing} tracing */
  constructor(place, tracing, gone) {
    this.place = place;
    this.tracing = tracing;
    this.plane = tracing.labels.length === 2;
    this.down = new Map();
    place.classList.toggle("plane", this.plane);
    this.area = element("div", "area");
    this.area.tabIndex = 0;
    this.handle = element("div", "handle");
    this.area.append(element("i", "zero"), ...(this.plane ? [element("i", "zero upright")] : []), this.handle);
    this.readout = element("output", "readout");
    const marks = this.plane
      ? [["top", "excited"], ["bottom", "calm"], ["left", "unpleasant"], ["right", "pleasant"]]
      : [["top", AXES[tracing.labels[0]].high], ["bottom", AXES[tracing.labels[0]].low]];
    for (const [side, text] of marks) this.area.append(element("span", `mark ${side}`, text));
    place.append(element("h2", "what", tracing.labels.join(" and ")), this.area, this.readout);
    this.area.setAttribute("role", this.plane ? "application" : "slider");
    this.area.setAttribute("aria-label", tracing.labels.join(" and "));
    if (!this.plane) {
      this.area.setAttribute("aria-orientation", "vertical");
      this.area.setAttribute("aria-valuemin", "-1");
      this.area.setAttribute("aria-valuemax", "1");
    }
    const options = { signal: gone };
    this.area.addEventListener("pointermove", (event) => this.point(event), options);
    this.area.addEventListener("pointerdown", (event) => {
      this.area.setPointerCapture(event.pointerId);
      this.point(event);
    }, options);
    place.parentElement.addEventListener("wheel", (event) => this.wheel(event), { ...options, passive: false });
  }

  /** A pointer over the area sets the value, pressed or not. */
  point(event) {
    const box = this.area.getBoundingClientRect();
    const latest = event.getCoalescedEvents?.().at(-1) ?? event;
    const device = event.pointerType || "mouse";
    const up = 1 - (2 * (latest.clientY - box.top)) / box.height;
    if (this.plane) {
      this.tracing.set("valence", (2 * (latest.clientX - box.left)) / box.width - 1, device);
      this.tracing.set("arousal", up, device);
    } else this.tracing.set(this.tracing.labels[0], up, device);
  }

  wheel(event) {
    if (event.ctrlKey) return;
    event.preventDefault();
    const step = -Math.sign(event.deltaY) * (event.shiftKey ? FINE : STEP);
    const label = this.plane ? "arousal" : this.tracing.labels[0];
    if (event.deltaY) this.tracing.set(label, this.tracing.values[label] + step, "wheel");
    if (this.plane && event.deltaX) {
      this.tracing.set("valence", this.tracing.values.valence + Math.sign(event.deltaX) * STEP, "wheel");
    }
  }

  /** Return if a key was one that sets values. */
  press(event) {
    const move = this.moveOf(event.key);
    if (!move) {
      if (event.key !== "0") return false;
      for (const label of this.tracing.labels) this.tracing.set(label, 0, "keys");
      return true;
    }
    if (!event.repeat) {
      const [label, way] = move;
      const step = event.shiftKey ? FINE : STEP;
      this.tracing.set(label, this.tracing.values[label] + way * step, "keys");
      this.down.set(event.key, performance.now() + DELAY);
    }
    return true;
  }

  release(event) {
    this.down.delete(event.key);
  }

  letGo() {
    this.down.clear();
  }

  moveOf(key) {
    const upright = this.plane ? "arousal" : this.tracing.labels[0];
    if (key === "ArrowUp") return [upright, 1];
    if (key === "ArrowDown") return [upright, -1];
    if (this.plane && key === "ArrowRight") return ["valence", 1];
    if (this.plane && key === "ArrowLeft") return ["valence", -1];
    return null;
  }

  /** Move by keys that are held. */
  hold(now) {
    for (const [key, since] of this.down) {
      if (now <= since) continue;
      const [label, way] = this.moveOf(key);
      this.tracing.set(label, this.tracing.values[label] + (way * PACE * (now - since)) / 1000, "keys");
      this.down.set(key, now);
    }
  }

  draw() {
    const { values, labels } = this.tracing;
    const text = labels.map((label) => signed(values[label])).join("  ");
    const up = values[this.plane ? "arousal" : labels[0]];
    this.handle.style.top = `${(1 - up) * 50}%`;
    if (this.plane) this.handle.style.left = `${(values.valence + 1) * 50}%`;
    if (this.readout.textContent !== text) {
      this.readout.textContent = text;
      if (this.plane) this.area.setAttribute("aria-valuetext", text);
      else this.area.setAttribute("aria-valuenow", String(up));
    }
  }
}
