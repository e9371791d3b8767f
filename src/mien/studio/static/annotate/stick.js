// A game controller's stick: dead zone, calibration, and which axis is which.

const KEY = "mien stick";
const SPEED = 1.2;  // in "hold", a stick pushed fully moves the value by so much a second

export const USUAL = {
  mode: "spring",
  dead: 0.1,
  valence: { axis: 0, invert: false, centre: 0, low: -1, high: 1 },
  arousal: { axis: 1, invert: true, centre: 0, low: -1, high: 1 },
  single: { axis: 1, invert: true, centre: 0, low: -1, high: 1 },
};

export function settings() {
  try {
    return { ...structuredClone(USUAL), ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return structuredClone(USUAL);
  }
}

export function keepSettings(told) {
  try {
    localStorage.setItem(KEY, JSON.stringify(told));
  } catch {
    // Without storage they last as long as the page.
  }
}

/** Return the deflection from -1 to 1 of a raw axis value: 0 within the dead zone, even beyond it. */
export function deflection(raw, axis, dead) {
  const side = raw >= axis.centre ? axis.high - axis.centre : axis.centre - axis.low;
  if (!(side > 0)) return 0;
  const share = Math.min(1, Math.abs(raw - axis.centre) / side);
  if (share <= dead) return 0;
  const way = (raw >= axis.centre ? 1 : -1) * (axis.invert ? -1 : 1);
  return (way * (share - dead)) / (1 - dead);
}

/** Return the first controller that is connected; null where there is none. */
export function controller() {
  return [...(navigator.getGamepads?.() ?? [])].find((one) => one?.connected) ?? null;
}

export class Stick {
  constructor(labels) {
    this.labels = labels;
    this.pressed = [];
    this.before = null;
  }

  name(label) {
    return this.labels.length === 1 ? "single" : label;
  }

  /** Look at the controller and set values by it. */
  look(now, tracing, work) {
    const pad = controller();
    const passed = this.before === null ? 0 : (now - this.before) / 1000;
    this.before = now;
    if (!pad || document.querySelector("dialog[open]")) return;
    const told = (this.told ??= settings());
    for (const label of this.labels) {
      const axis = told[this.name(label)];
      const moved = deflection(pad.axes[axis.axis] ?? axis.centre, axis, told.dead);
      if (told.mode === "hold") {
        if (moved) tracing.set(label, tracing.values[label] + moved * SPEED * passed, "stick");
      } else if (moved || tracing.device === "stick") tracing.set(label, moved, "stick");
    }
    const pressed = pad.buttons.map((one) => one.pressed);
    if (pressed[0] && !this.pressed[0]) work.play();
    if (pressed[1] && !this.pressed[1]) work.back();
    this.pressed = pressed;
  }

  /** Settings have changed. */
  renew() {
    this.told = null;
  }
}
