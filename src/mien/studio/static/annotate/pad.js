// The screen on which a game controller is set up: axes, centre, extremes, dead zone, spring or hold.

import { button } from "./frame.js";
import { USUAL, controller, deflection, keepSettings, settings } from "./stick.js";

function made(kind, name, text = "") {
  const one = document.createElement(kind);
  if (name) one.className = name;
  one.textContent = text;
  return one;
}

function labelled(text, field) {
  const label = made("label", "field", text);
  label.append(" ", field);
  return label;
}

class Screen {
  constructor(labels, changed) {
    this.told = settings();
    this.changed = changed;
    this.names = labels.length === 1 ? [["single", labels[0]]] : labels.map((label) => [label, label]);
    this.ranging = null;
    this.dialog = document.getElementById("pad");
  }

  keep() {
    keepSettings(this.told);
    this.changed();
  }

  show() {
    const title = made("h2", "", "Game controller");
    title.id = "pad-title";
    this.state = made("p", "faint");
    this.state.setAttribute("role", "status");
    this.rows = made("div", "axes");
    for (const [name, label] of this.names) this.rows.append(this.row(name, label));
    this.step = button("Calibrate", "", "Find the centre and the extremes", () => this.calibrate());
    const reset = button("Usual settings", "", "Forget the calibration", () => {
      this.told = structuredClone(USUAL);
      this.keep();
      this.show();
    });
    const close = button("Close", "", "Close", () => this.dialog.close());
    close.classList.add("primary");
    const row = made("div", "answers");
    row.append(this.step, reset, close);
    this.dialog.replaceChildren(title, this.state, this.rows, this.common(), row);
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.look();
    }
    close.focus();
  }

  common() {
    const place = made("div", "axes");
    const mode = document.createElement("select");
    mode.append(new Option("spring: the value is where the stick is", "spring"), new Option("hold: the stick moves the value", "hold"));
    mode.value = this.told.mode;
    mode.onchange = () => {
      this.told.mode = mode.value;
      this.keep();
    };
    const dead = document.createElement("input");
    Object.assign(dead, { type: "range", min: 0, max: 0.4, step: 0.01, value: this.told.dead });
    const shown = made("output", "", `${Math.round(this.told.dead * 100)} %`);
    dead.oninput = () => {
      this.told.dead = Number(dead.value);
      shown.textContent = `${Math.round(this.told.dead * 100)} %`;
      this.keep();
    };
    const zone = labelled("Dead zone", dead);
    zone.append(shown);
    place.append(labelled("Stick", mode), zone);
    return place;
  }

  row(name, label) {
    const axis = this.told[name];
    const place = made("fieldset", "axis");
    place.append(made("legend", "", label));
    const number = document.createElement("select");
    for (let at = 0; at < 8; at += 1) number.append(new Option(`axis ${at + 1}`, String(at)));
    number.value = String(axis.axis);
    number.onchange = () => {
      axis.axis = Number(number.value);
      this.keep();
    };
    const invert = document.createElement("input");
    invert.type = "checkbox";
    invert.checked = axis.invert;
    invert.onchange = () => {
      axis.invert = invert.checked;
      this.keep();
    };
    const bar = made("meter", "");
    Object.assign(bar, { min: -1, max: 1, value: 0 });
    bar.setAttribute("aria-label", `${label}: where the stick is`);
    place.append(labelled("Axis", number), labelled("Turn round", invert), bar, made("output", "raw"));
    place.dataset.name = name;
    return place;
  }

  /** First let go of the stick, then move it all the way round. */
  calibrate() {
    const pad = controller();
    if (!pad) return;
    if (!this.ranging) {
      this.ranging = {};
      for (const [name] of this.names) {
        const axis = this.told[name];
        const here = pad.axes[axis.axis] ?? 0;
        Object.assign(axis, { centre: here, low: here, high: here });
        this.ranging[name] = axis;
      }
      this.step.textContent = "Done";
      return;
    }
    for (const [name] of this.names) {
      const axis = this.told[name];
      if (axis.high - axis.centre < 0.2) axis.high = 1;
      if (axis.centre - axis.low < 0.2) axis.low = -1;
    }
    this.ranging = null;
    this.step.textContent = "Calibrate";
    this.keep();
  }

  look() {
    if (!this.dialog.open) return;
    const pad = controller();
    const words = !pad
      ? "No controller yet. Connect one and press any of its buttons."
      : this.ranging
        ? "Move the stick all the way up, down, left and right; then Done."
        : `${pad.id}. To calibrate, let go of the stick and press Calibrate. First button: play; second: back 5 s.`;
    if (this.state.textContent !== words) this.state.textContent = words;
    this.step.disabled = !pad;
    for (const place of this.rows.children) {
      const axis = this.told[place.dataset.name];
      const raw = pad?.axes[axis.axis] ?? 0;
      if (this.ranging) {
        axis.low = Math.min(axis.low, raw);
        axis.high = Math.max(axis.high, raw);
      }
      const value = this.ranging ? raw : deflection(raw, axis, this.told.dead);
      place.querySelector("meter").value = value;
      place.querySelector(".raw").textContent = value.toFixed(2);
    }
    requestAnimationFrame(() => this.look());
  }
}

/** Open the screen. */
export function showStick(work) {
  if (!work?.stick) return;
  work.player.pause();
  new Screen(work.task.labels, () => work.stick.renew()).show();
}
