// Server-sent events, read with fetch: EventSource cannot send a token.

import { ask } from "./api.js";

const SILENCE = 45_000; // three heartbeats of the server
const SHORTEST = 500;
const LONGEST = 10_000;

/**
 * Follow a session until `signal` aborts, over any number of connections, without loss or repeat.
 * Gives {event, data}; {event: "lost"} when a connection broke. Throws Problem when the server says no.
 */
export async function* follow(path, signal) {
  let last = null;
  let pause = SHORTEST;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
      const response = await ask(path, { headers, signal });
      for await (const { id, event, data } of events(response.body)) {
        last = id ?? last;
        pause = SHORTEST;
        yield { event, data: JSON.parse(data) };
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    yield { event: "lost" };
    await waited(pause * (0.5 + Math.random()), signal);
    pause = Math.min(pause * 2, LONGEST);
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
      const { done, value } = await within(SILENCE, reader.read());
      if (done) return;
      const read = (rest + value).split("\n");
      rest = read.pop();
      yield* read;
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have broken already
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
