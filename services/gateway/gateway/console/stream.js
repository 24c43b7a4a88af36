// Server-sent events, read with fetch: EventSource cannot send a token.

import { ask } from "./api.js";

const SILENCE_TIMEOUT_MS = 45_000; // three heartbeats of the server
const MIN_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/**
 * Follow a stream until `signal` aborts, over any number of connections, without missing or repeating an event.
 * Yields {event, data}; {event: "lost"} after a connection broke. Throws Problem if the server refuses.
 * `position.last` is the id of the last event, from which a later call can go on.
 */
export async function* follow(path, signal, position = { last: null }) {
  let pause = MIN_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(position.last && { "Last-Event-ID": position.last }) };
      const response = await ask(path, { headers, signal });
      for await (const { id, event, data } of events(response.body)) {
        position.last = id ?? position.last;
        pause = MIN_PAUSE_MS;
        yield { event, data: JSON.parse(data) };
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    yield { event: "lost" };
    await waited(pause * (0.5 + Math.random()), signal);
    pause = Math.min(pause * 2, MAX_PAUSE_MS);
  }
}

async function* events(body) {
  let fields = {};
  for await (const line of lines(body)) {
    const colon = line.indexOf(": "); // 0 for a comment, which is a heartbeat
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
    if (line === "" && fields.data) yield fields;
    if (line === "") fields = {};
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await within(SILENCE_TIMEOUT_MS, reader.read());
      if (done) return;
      const read = (rest + value).split("\n");
      rest = read.pop();
      yield* read;
    }
  } finally {
    reader.cancel().catch(() => {}); // the connection may have broken already
  }
}

async function within(milliseconds, promise) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("silence")), milliseconds);
  });
  return Promise.race([promise, silence]).finally(() => clearTimeout(timer));
}

function waited(milliseconds, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    window.addEventListener("online", resolve, { once: true, signal });
    signal.addEventListener("abort", resolve, { once: true });
  });
}
