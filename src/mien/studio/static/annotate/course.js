// The course of a value over the video; the same rules as mien.annotation.replay.

const BRIDGE = 0.2;

export class Course {
  constructor(times = [], values = []) {
    this.times = times;
    this.values = values;
  }

  /** Index of the first time that is not before a second. */
  at(second) {
    let low = 0, high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] < second) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  cut(second) {
    const at = this.at(second);
    this.times.length = this.values.length = at;
  }

  add(second, value) {
    let last = this.times.length - 1;
    if (last >= 0 && this.values[last] === null && value !== null && second <= this.times[last] + BRIDGE) {
      this.times.pop();
      this.values.pop();
      last -= 1;
    }
    if (last >= 0 && second < this.times[last]) return;
    if (last >= 0 && second === this.times[last]) this.values[last] = value;
    else {
      this.times.push(second);
      this.values.push(value);
    }
  }

  rest(second) {
    const last = this.times.length - 1;
    if (last >= 0 && this.values[last] !== null) this.add(Math.max(second, this.times[last] + 0.001), null);
  }

  /** The value that holds at a second; null where none is known. */
  value(second) {
    const at = this.at(second + 1e-9) - 1;
    return at < 0 ? null : this.values[at];
  }

  /** Up to where it is known. */
  get end() {
    const last = this.times.length - 1;
    return last < 0 ? 0 : this.times[last];
  }

  copy() {
    return new Course([...this.times], [...this.values]);
  }
}

/** Stretches in which a course is known, as [start, end]. */
export function known(course) {
  const found = [];
  let start = null;
  course.times.forEach((time, at) => {
    if (course.values[at] !== null && start === null) start = time;
    if (course.values[at] === null && start !== null) {
      found.push([start, time]);
      start = null;
    }
  });
  if (start !== null) found.push([start, course.end]);
  return found;
}
