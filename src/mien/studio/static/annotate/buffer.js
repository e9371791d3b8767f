// What outlives the page, also when the browser is killed: events that the server has not acknowledged yet, and
// which session of this browser had a task last. Local storage would not do, since browsers write it late.

const NAME = `mien ${location.pathname}`;
const FORMER = 20;
let opening = null;

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore("events", { keyPath: ["session", "sequence"] });
      store.createIndex("task", "task");
      request.result.createObjectStore("holders");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

async function change(mode, work, name = "events") {
  const base = await database();
  return new Promise((resolve, reject) => {
    const transaction = base.transaction(name, mode);
    const request = work(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** Keep an event of an item until it is acknowledged. */
export function keep(item, event) {
  return change("readwrite", (store) => store.put({ task: item.task, item, ...event }));
}

/** Forget events that are safe with the server. */
export function forget(events) {
  return change("readwrite", (store) => {
    for (const event of events) store.delete([event.session, event.sequence]);
  });
}

/** Return what is still here, of a task or of all: [{item, events}] by session, events in order. */
export async function waiting(task) {
  const rows = await change("readonly", (store) => (task === undefined ? store.getAll() : store.index("task").getAll(task)));
  const found = new Map();
  for (const { task: _, item, ...event } of rows) {
    if (!found.has(event.session)) found.set(event.session, { item, events: [] });
    found.get(event.session).events.push(event);
  }
  return [...found.values()];
}

/** Return the sessions of this browser one of which may still have a task, though its page is gone. */
export async function former(task) {
  return [].concat((await change("readonly", (store) => store.get(task), "holders").catch(() => null)) ?? []);
}

/** Say which sessions of this browser may have a task now; one is named before the server is asked for it. */
export function holds(task, sessions) {
  return change("readwrite", (store) => store.put(sessions.slice(-FORMER), task), "holders").catch(() => {});
}
