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
    if (data?.resource_id && event.startsWith(prefix)) changed(event, data.data.task_id ?? data.resource_id, data);
  }
}

/** Return a function that calls `act(id)`, one call at a time; an id that waits already is not added again. */
export function merged(act) {
  const waiting = new Set();
  let active = false;
  return async (id) => {
    waiting.add(id);
    if (active) return;
    active = true;
    for (const next of waiting) {
      waiting.delete(next);
      await act(next).catch(() => {}); // tried again at the next event
    }
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
