// Keeping a page about tasks up to date with the events of the account.

import { showConnection } from "./elements.js";
import { follow } from "./stream.js";

/**
 * Call `load`, then `changed(type, taskId, data)` for every event of a task, until `signal` aborts.
 * After events were missed, `load` is called again. Throws Problem.
 */
export async function watch(label, { load, changed }, signal) {
  let loaded = false;
  for await (const { event, data } of follow("/events?types=task.*", signal)) {
    if (event === "connected" && !loaded) {
      await load(); // events that occur meanwhile wait in the stream
      loaded = true;
    }
    if (event === "gap") loaded = false;
    showConnection(label, event);
    if (event.startsWith("task.")) changed(event, data.data.task_id ?? data.resource_id, data);
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
