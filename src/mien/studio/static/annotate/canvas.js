// What all drawings share: sharp pixels, the page's colours, clock times.

export function clock(seconds, fine = false) {
  const whole = Math.max(0, seconds);
  const minutes = Math.floor(whole / 60);
  const rest = whole - 60 * minutes;
  const shown = fine ? (Math.floor(rest * 100) / 100).toFixed(2).padStart(5, "0") : String(Math.floor(rest)).padStart(2, "0");
  return `${minutes}:${shown}`;
}

let colours = {};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (colours = {}));

export class Sheet {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  /** A colour of the page's style. */
  colour(name) {
    colours[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    return colours[name];
  }

  /** Clear the sheet; return its size in CSS pixels. */
  clear(width = this.canvas.clientWidth, height = this.canvas.clientHeight) {
    this.width = width;
    const dots = devicePixelRatio || 1;
    const [across, down] = [Math.round(width * dots), Math.round(height * dots)];
    if (this.canvas.width !== across || this.canvas.height !== down) {
      this.canvas.width = across;
      this.canvas.height = down;
    }
    this.pen.setTransform(dots, 0, 0, dots, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    return [width, height];
  }

  /** Draw a course as steps between two seconds; `x` and `y` place seconds and values. */
  steps(times, values, first, x, y, colour, dash = []) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.setLineDash(dash);
    pen.beginPath();
    let on = false;
    for (let at = Math.max(0, first); at < times.length; at += 1) {
      const here = x(times[at]);
      if (values[at] === null) {
        if (on) pen.lineTo(here, y(values[at - 1]));
        on = false;
      } else if (on) {
        pen.lineTo(here, y(values[at - 1]));
        pen.lineTo(here, y(values[at]));
      } else {
        pen.moveTo(here, y(values[at]));
        on = true;
      }
      if (here > this.width) break;
    }
    pen.stroke();
    pen.setLineDash([]);
  }

  text(words, x, y, colour, align = "left") {
    this.pen.fillStyle = colour;
    this.pen.font = "12px system-ui, sans-serif";
    this.pen.textAlign = align;
    this.pen.textBaseline = "middle";
    this.pen.fillText(words, x, y);
  }

  rule(x1, y1, x2, y2, colour, width = 1) {
    this.pen.strokeStyle = colour;
    this.pen.lineWidth = width;
    this.pen.beginPath();
    this.pen.moveTo(x1, y1);
    this.pen.lineTo(x2, y2);
    this.pen.stroke();
  }
}

/** Let pointers choose a second on a canvas; `second` turns a place across into one. */
export function choose(canvas, signal, begin, move = begin) {
  let pressed = false;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pressed = true;
    canvas.setPointerCapture(event.pointerId);
    begin(...place(event));
  }, { signal });
  canvas.addEventListener("pointermove", (event) => pressed && move(...place(event)), { signal });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => (pressed = false), { signal });
  }
}
