// Keeping a list or a page up to date with the events of the account.

import { showConnection } from "./elements.js";
import { accountEvents } from "./feed.js";

/**
 * Call `load`, then `changed(type, id, data)` for every event whose type begins with `prefix`, until `signal` aborts.
 * `id` is that of the task that the event is about, or of its resource if that belongs to no task. `label`, which may
 * be null, shows whether events arrive. After events were missed, `load` is called again. A promise that `changed`
 * returns may reject. Throws Problem.
 */
export async function watch(prefix, label, { load, changed }, signal) {
  let loaded = false;
  for await (const { event, data } of accountEvents(signal)) {
    if (event === "connected" && !loaded) {
      await load(); // events that occur meanwhile wait in the stream
      loaded = true;
    }
    if (event === "gap") loaded = false;
    if (label) showConnection(label, event);
    if (data?.resource_id && event.startsWith(prefix)) {
      changed(event, data.task_id ?? data.resource_id, data)?.catch(() => {}); // tried again at the next event
    }
  }
}

/**
 * Return a function that calls `act()` after all earlier calls have ended, so that no late response hides a later
 * change, and returns a promise of its result. A call whose `key` waits already is the same one.
 */
export function queued() {
  const waiting = new Map(); // promises, by the key
  let last = Promise.resolve();
  return (key, act) => {
    const call = () => {
      waiting.delete(key);
      return act();
    };
    if (!waiting.has(key)) {
      last = last.then(call, call);
      waiting.set(key, last);
    }
    return waiting.get(key);
  };
}

/** Return a function that calls `act(id)` after all earlier calls; an id that waits already is not added again. */
export function merged(act) {
  const queue = queued();
  return (id) => queue(id, () => act(id));
}

/** Return a function that collects ids and calls `act(ids)`, with a pause of `milliseconds` after each call. */
export function paced(milliseconds, act) {
  const waiting = new Set();
  const take = merged(async () => {
    const ids = new Set(waiting);
    waiting.clear();
    await act(ids).catch(() => {}); // tried again at the next event
    await new Promise((resolve) => { setTimeout(resolve, milliseconds); });
  });
  return (id) => {
    waiting.add(id);
    take();
  };
}
