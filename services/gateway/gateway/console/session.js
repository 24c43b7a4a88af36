// One session: what it holds so far, then what happens, as it does.

import { ask, get, post } from "./api.js";
import { find, mark, submits } from "./elements.js";
import { update } from "./sessions.js";
import { follow } from "./stream.js";
import { Transcript } from "./transcript.js";

const MOST = 300; // messages, and as many tool calls, of an old session; the API has the others
const STATUS = /^connected$|^session\.(run_(?!started|queued).*|approval_.*|usage_recorded|paused|resumed)$/;
const CANCELLED = "The run was cancelled.";
const HEAD = ["#name", "#status", "#usage", "#connection", "#session-error", "#ask [role=alert]"];
const list = find("#transcript");
const scroller = find("#scroller");
const message = find("#message");
let path = null; // of the open session
let atEnd = true;

/** Show a session until `signal` aborts. */
export async function open(id, signal) {
  path = `/sessions/${id}`;
  atEnd = true;
  for (const part of HEAD) find(part).textContent = "";
  for (const part of ["#cancel", "#earlier"]) find(part).hidden = true;
  try {
    await watch(id, signal);
  } catch (problem) {
    if (signal.aborted) return;
    find("#session-error").textContent = problem.message;
    find("#connection").textContent = "";
  }
}

async function watch(id, signal) {
  const path = `/sessions/${id}`;
  let transcript = new Transcript(list, path);
  let loaded = false;
  for await (const { event, data } of follow(`${path}/events`, signal)) {
    if (event === "connected" && !loaded) {
      // What happens meanwhile waits in the stream; that it is told twice changes nothing.
      await load(id, transcript, signal);
      loaded = true;
    }
    if (event === "gap") {
      transcript = new Transcript(list, path);
      loaded = false;
    }
    connection(event);
    show(transcript, event, data?.data ?? data);
    if (STATUS.test(event)) await head(path, signal).catch(() => {}); // the next event asks again
    if (event === "session.deleted") return;
  }
}

function show(transcript, event, data) {
  switch (event) {
    case "text_delta":
      return transcript.say(data.run_id, data.text);
    case "session.run_requested":
      return transcript.message({ id: data.message_id, message_type: "user", content: { content: data.message } });
    case "session.message_recorded":
      return transcript.message(recorded(data));
    case "session.tool_call_started":
      return transcript.tool({ ...data, id: data.tool_call_id, status: "running" });
    case "session.tool_call_ended":
      return transcript.tool({ ...data, id: data.tool_call_id });
    case "session.approval_requested":
      return transcript.approval({ ...data, id: data.approval_id });
    case "session.approval_decided":
      return transcript.decided(data);
    case "session.run_completed":
    case "lost":
      return transcript.hush();
    case "session.run_failed":
      return transcript.notice(data.run_id, data.error_detail);
    case "session.run_cancelled":
      return transcript.notice(data.run_id, CANCELLED);
    case "session.deleted":
      find("#session-error").textContent = "The session was deleted.";
  }
}

/** Give a recorded message as the API lists it. */
function recorded({ message_id, blocks, ...rest }) {
  const content = blocks.map((block) => block.text ?? "").join("");
  return { ...rest, id: message_id, message_type: "assistant", content: { content } };
}

async function load(id, transcript, signal) {
  const path = `/sessions/${id}`;
  const messages = await newest(`${path}/messages`, signal);
  const tools = await newest(`${path}/tool-calls`, signal);
  const past = [...messages.items, ...tools.items];
  past.sort((one, other) => Date.parse(one.created_at) - Date.parse(other.created_at));
  for (const item of past) {
    if (item.message_type) transcript.message(item);
    else transcript.tool(item);
  }
  find("#earlier").hidden = !messages.more;
  const [run] = (await get(`${path}/runs?limit=1`, { signal })).items;
  if (run?.error_detail) transcript.notice(run.id, run.error_detail);
  else if (run?.status === "cancelled") transcript.notice(run.id, CANCELLED);
  const pending = await get(`/approvals?status=pending&session_id=${id}`, { signal });
  for (const approval of pending.items.reverse()) transcript.approval(approval);
}

async function newest(path, signal) {
  const items = [];
  let next = `${path}?order=desc`;
  while (next && items.length < MOST) {
    const page = await get(next, { signal });
    items.push(...page.items);
    next = page.links.next;
  }
  return { items: items.reverse(), more: next !== null };
}

async function head(path, signal) {
  const session = await get(path, { signal });
  find("#name").textContent = session.name;
  mark(find("#status"), session.status);
  find("#usage").textContent = `${session.total_messages} messages · $${session.total_cost_usd.toFixed(4)}`;
  find("#cancel").hidden = !["processing", "waiting"].includes(session.status);
  update(session);
}

function connection(event) {
  const told = find("#connection");
  told.dataset.is = event === "lost" ? "lost" : "live";
  told.textContent = event === "lost" ? "connecting again …" : "live";
}

submits(find("#ask"), async () => {
  await ask(`${path}/query`, post({ message: message.value }, { Prefer: "respond-async" }));
  message.value = "";
  atEnd = true;
});

message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("#ask").requestSubmit();
});

find("#cancel").addEventListener("click", async () => {
  try {
    await ask(`${path}/interrupt`, post());
  } catch (problem) {
    find("#session-error").textContent = problem.message;
  }
});

scroller.addEventListener("scroll", () => {
  atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
});
new MutationObserver(() => {
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}).observe(list, { childList: true, subtree: true, characterData: true });
