// The segments as they are, how they change, and how changes are undone; every change is an event.

const fine = (second) => Math.round(second * 1e6) / 1e6;

export class Pieces {
  /**
   * @param {object[]} stored
   * @param {boolean} exclusive  a segment that begins ends those that are open
   * @param {(kind: string, detail: object) => void} tell
   */
  constructor(stored, exclusive, tell) {
    this.now = new Map(stored.map((piece) => [piece.id, piece]));
    this.exclusive = exclusive;
    this.tell = tell;
    this.done = [];
  }

  all() {
    return this.now.values();
  }

  get(id) {
    return this.now.get(id) ?? null;
  }

  open(label) {
    return [...this.now.values()].find((piece) => piece.label === label && piece.end === null) ?? null;
  }

  begin(label, second) {
    const start = fine(second);
    const ended = this.exclusive
      ? [...this.now.values()].filter((piece) => piece.end === null && piece.start < start)
      : [];
    const id = crypto.randomUUID();
    const fresh = { id, label, start, end: null, apex: null, intensity: null, scorable: true };
    this.apply([...ended.map((piece) => ({ ...piece, end: start })), fresh]);
    return id;
  }

  put(told) {
    this.apply([{ id: crypto.randomUUID(), apex: null, intensity: null, scorable: true, ...told }]);
  }

  change(id, told) {
    const piece = { ...this.get(id), ...told };
    for (const key of ["start", "end", "apex"]) if (piece[key] !== null) piece[key] = fine(piece[key]);
    if (piece.apex !== null && piece.end !== null && piece.apex > piece.end) piece.apex = null;
    this.apply([piece]);
  }

  remove(id) {
    this.done.push([[id, this.get(id)]]);
    this.now.delete(id);
    this.tell("remove", { id });
  }

  /** Put pieces in place of those of the same ids, as one change. */
  apply(pieces) {
    this.done.push(pieces.map((piece) => [piece.id, this.get(piece.id)]));
    for (const piece of pieces) {
      this.now.set(piece.id, piece);
      this.tell("segment", piece);
    }
  }

  /** Take the last change back; return if there was one. */
  undo() {
    const last = this.done.pop();
    if (!last) return false;
    for (const [id, before] of last) {
      if (before) {
        this.now.set(id, before);
        this.tell("segment", { ...before, undone: true });
      } else {
        this.now.delete(id);
        this.tell("remove", { id, undone: true });
      }
    }
    return true;
  }
}
