// The events of the account. All parts of the page share one stream, since a browser opens only six connections to a
// server over HTTP/1.1, for all its tabs together.

import { follow } from "./stream.js";

// A session has many more events, which only the page of the session needs; it has a stream of its own.
const TYPES = [
  "session.created", "session.changed", "session.deleted", "session.paused", "session.resumed", "session.run_*",
  "session.approval_*", "session.archive*", "session.unarchive*", "session.fork*", "task.*", "report.*", "mcp_server.*", "webhook.*",
];
const HIDDEN_MS = 60_000; // after which the stream of a tab in the background is closed
const readers = new Set();
const position = { last: null };
let connection = null; // its AbortController
let state = null; // "connected" or "lost", as it was last sent to the readers
let hiding = null;

/** Yield the events of the account until `signal` aborts, as `follow` does. Throws Problem. */
export async function* accountEvents(signal) {
  const reader = { waiting: state ? [{ event: state }] : [], problem: null, wake: () => {} };
  readers.add(reader);
  const wake = () => reader.wake();
  signal.addEventListener("abort", wake);
  if (!document.hidden) connect();
  try {
    while (!signal.aborted) {
      if (reader.waiting.length > 0) yield reader.waiting.shift();
      else if (reader.problem) throw reader.problem;
      else await new Promise((resolve) => { reader.wake = resolve; });
    }
  } finally {
    readers.delete(reader);
    signal.removeEventListener("abort", wake);
    if (readers.size === 0) disconnect();
  }
}

async function connect() {
  if (connection) return;
  connection = new AbortController();
  const { signal } = connection;
  try {
    for await (const item of follow(`/events?types=${TYPES}`, signal, position)) {
      if (signal.aborted) return;
      if (["connected", "lost"].includes(item.event)) state = item.event;
      for (const reader of readers) send(reader, item);
    }
  } catch (problem) {
    if (signal.aborted) return;
    disconnect();
    for (const reader of readers) Object.assign(reader, { problem }).wake();
  }
}

function send(reader, item) {
  reader.waiting.push(item);
  reader.wake();
}

/** Close the stream. If nobody reads it any more, the next one begins with the events that occur then. */
function disconnect() {
  connection?.abort();
  connection = state = null;
  if (readers.size === 0) position.last = null;
}

// After a login or logout, the readers are those of another account.
window.addEventListener("account", () => {
  readers.clear();
  disconnect();
});

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(disconnect, HIDDEN_MS);
  else if (readers.size > 0) connect();
});
