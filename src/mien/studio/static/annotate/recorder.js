// Numbers events, keeps them in the browser and brings them to the server, once a second.

import { ask } from "./api.js";
import { forget, former, holds, keep, waiting } from "./buffer.js";

const BATCH = 2000;
const TICK = 1000;
const GRACE = 300;  // milliseconds that a window which is taken over has to send what it still holds
const PATIENCE = 1000;  // milliseconds that a page which was just left has to let go of its task
const LIFE = 2;  // ticks after which the server is asked even if there is nothing to send
const MOST = 8;  // events refused one by one; where there are more, it is not they that are wrong

const placeOf = (task) => `mien ${location.pathname} ${task}`;

/**
 * Hand events to the server, past those that it refuses for what they are; return the refused ones. Throws where it
 * is not the events that are refused, or too many are.
 */
async function hand(holder, events, refused = []) {
  try {
    await ask("events", { holder, events });
  } catch (error) {
    if (error.status !== 400 || !events.length || refused.length >= MOST) throw error;
    if (events.length === 1) {
      await ask("events", { holder, events: [] });
      refused.push({ event: events[0], why: error.message });
    } else {
      const half = events.length >> 1;
      await hand(holder, events.slice(0, half), refused);
      await hand(holder, events.slice(half), refused);
    }
  }
  return refused;
}

const others = (events, refused) => events.filter((event) => !refused.some((one) => one.event === event));
const refusal = (refused) => `The server refused ${refused.length} events, which stay in this browser: ${refused[0].why}`;

/** Bring events in batches; return how many, and those that were refused, which are kept. */
async function bring(holder, events) {
  let brought = 0;
  const refused = [];
  for (let at = 0; at < events.length; at += BATCH) {
    const batch = events.slice(at, at + BATCH);
    const wrong = await hand(holder, batch);
    await forget(others(batch, wrong));
    brought += batch.length - wrong.length;
    refused.push(...wrong);
  }
  return { brought, refused };
}

/** Bring what earlier pages left behind, of tasks that no window has open; return how much is still here. */
export async function deliver() {
  let left = 0;
  for (const { item, events } of await waiting().catch(() => [])) {
    left += events.length;
    const { session } = events[0];
    await navigator.locks.request(placeOf(item.task), { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      await ask("open", { session, former: await former(item.task), ...item });
      left -= (await bring(session, events)).brought;
      await ask("leave", { holder: session });
    }).catch(() => {});
  }
  return left;
}

export class Recorder {
  /**
   * @param {{task: string, video: string, turn: number}} item
   * @param {{before: () => void, count: (unsent: number) => void, state: (state: object) => void,
   *   lost: (unsent: number) => void}} hooks
   *   before each sending; how many are unsent; how it stands; another window has taken over
   */
  constructor(item, hooks) {
    this.item = item;
    this.hooks = hooks;
    this.session = crypto.randomUUID();
    this.next = 0;
    this.queue = [];
    this.busy = this.stopped = false;
    this.idle = 0;
    this.trouble = null;
  }

  /** Begin; return what the server knows of the item. Throws a Refusal of status 409 where it is held. */
  async open(take) {
    const alone = await this.lock(take);
    if (take) await new Promise((resolve) => setTimeout(resolve, GRACE));
    const before = alone ? await former(this.item.task) : [];
    if (alone) await holds(this.item.task, [...before, this.session]);
    const told = { session: this.session, take, former: before, ...this.item };
    let state;
    try {
      state = await ask("open", told);
    } catch (error) {
      this.unlock?.();
      throw error;
    }
    await holds(this.item.task, [this.session]);
    if (await this.bring()) state = await ask("open", told);
    this.timer = setInterval(() => this.tick(), TICK);
    this.hide = () => this.leave();
    addEventListener("pagehide", this.hide);
    return state;
  }

  get place() {
    return placeOf(this.item.task);
  }

  /**
   * Hold the task's lock among the windows of this browser, so that a page that is loaded again, or comes back
   * after a crash, goes on unasked; return if no other window of this browser has it.
   */
  lock(steal) {
    return new Promise((resolve) => {
      let held = false;
      const hold = () => {
        held = true;
        resolve(true);
        return new Promise((release) => (this.unlock = release));
      };
      const options = steal ? { steal: true } : { signal: AbortSignal.timeout(PATIENCE) };
      navigator.locks.request(this.place, options, hold).catch(async () => {
        if (!held) return resolve(false);
        if (this.stopped) return;
        this.hooks.before();
        await this.send();
        if (this.stopped) return;
        this.stop();
        this.hooks.lost(this.queue.length);
      });
    });
  }

  /** Bring what earlier openings of this task left behind in this browser; return how much it was. */
  async bring() {
    let brought = 0;
    try {
      for (const { events } of await waiting(this.item.task)) {
        const done = await bring(this.session, events);
        brought += done.brought;
        if (done.refused.length) this.trouble = refusal(done.refused);
      }
    } catch (error) {
      this.trouble = `Events kept in this browser from before could not be sent: ${error.message}`;
    }
    return brought;
  }

  /** Record that something was done. */
  add(kind, told = {}) {
    if (this.stopped) return;
    const event = { session: this.session, sequence: this.next++, kind, wall: Date.now() / 1000, ...told };
    this.queue.push(event);
    this.hooks.count(this.queue.length);
    keep(this.item, event).catch(() => {
      this.trouble = "This browser keeps nothing: do not close the page while events are unsent.";
    });
  }

  async tick() {
    if (this.busy || this.stopped) return;
    this.hooks.before();
    this.idle += 1;
    if (!this.queue.length && this.idle < LIFE) return;
    await this.send();
  }

  async send() {
    if (this.busy || this.stopped) return;
    this.busy = true;
    this.idle = 0;
    const events = this.queue.slice(0, BATCH);
    try {
      const refused = await hand(this.session, events);
      if (refused.length) this.trouble = refusal(refused);
      this.queue.splice(0, events.length);
      this.hooks.count(this.queue.length);
      this.hooks.state({ unsent: this.queue.length, trouble: this.trouble });
      if (events.length) forget(others(events, refused)).catch(() => {});
    } catch (error) {
      if (error.status === 409) {
        this.stop();
        this.hooks.lost(this.queue.length);
      } else {
        const gone = error.status === 0 || error.status === 503;
        this.hooks.state({ unsent: this.queue.length, gone, trouble: gone ? this.trouble : error.message });
      }
    } finally {
      this.busy = false;
    }
  }

  /** Send what is left and end; return if all is safe. */
  async close() {
    this.hooks.before();
    for (let tries = 0; tries < 40 && (this.queue.length || this.busy) && !this.stopped; tries += 1) {
      if (this.busy) await new Promise((resolve) => setTimeout(resolve, 50));
      else {
        const before = this.queue.length;
        await this.send();
        if (this.queue.length === before) break;
      }
    }
    const safe = !this.queue.length;
    if (!this.stopped) {
      this.stop();
      await ask("leave", { holder: this.session }).catch(() => {});
    }
    return safe;
  }

  /** The page goes away: hand over what is left without waiting for the answer. */
  leave() {
    if (this.stopped) return;
    this.hooks.before();
    const options = { keepalive: true, signal: undefined };
    if (this.queue.length) {
      const events = this.queue.slice(0, 250);
      ask("events", { holder: this.session, events }, options).then(() => forget(events), () => {});
    }
    ask("leave", { holder: this.session }, options).catch(() => {});
  }

  stop() {
    this.stopped = true;
    this.unlock?.();
    clearInterval(this.timer);
    removeEventListener("pagehide", this.hide);
  }
}
