// Keeping a list or a page up to date with the events of the account.

import { showConnection } from "./elements.js";
import { accountEvents } from "./feed.js";

/**
 * Call `load`, then `changed(type, id, data)` for every event whose type begins with `prefix`, until `signal` aborts.
 * `id` is that of the task that the event is about, or of its resource if that belongs to no task. `label`, which may
 * be null, shows whether events arrive. After events were missed, `load` is called again. Throws Problem.
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
    if (data?.resource_id && event.startsWith(prefix)) changed(event, data.task_id ?? data.resource_id, data);
  }
}

/** Return a function that calls `act(id)`, one call at a time; an id that waits already is not added again. */
export function merged(act) {
  return collected(async (waiting) => {
    const [id] = waiting;
    waiting.delete(id);
    await act(id).catch(() => {}); // tried again at the next event
  });
}

/** Return a function that collects ids and calls `act(ids)`, with a pause of `milliseconds` after each call. */
export function paced(milliseconds, act) {
  return collected(async (waiting) => {
    const ids = new Set(waiting);
    waiting.clear();
    await act(ids).catch(() => {}); // tried again at the next event
    await new Promise((resolve) => { setTimeout(resolve, milliseconds); });
  });
}

/** Return a function that adds an id to a set, and calls `take(waiting)`, one call at a time, until the set is empty. */
function collected(take) {
  const waiting = new Set();
  let active = false;
  return async (id) => {
    waiting.add(id);
    if (active) return;
    active = true;
    while (waiting.size > 0) await take(waiting);
    active = false;
  };
}

/**
 * Return a function that shows the current state of an item in a table, one call at a time. `read(id)` returns the
 * item, or null if it does not belong there. An item that is not found is removed: a deletion is read like any change,
 * because a response from before the deletion would otherwise show the item again.
 */
export function refreshed(table, read) {
  return merged(async (id) => {
    const item = await read(id).catch((problem) => {
      if (problem.status !== 404) throw problem;
      table.remove(id);
    });
    if (item) table.show(item);
  });
}
