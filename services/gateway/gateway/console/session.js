// One session: its history, then its events as they occur.

import { ask, get, me, post } from "./api.js";
import { find, mark, presses, showConnection, submits } from "./elements.js";
import { showOwner } from "./owners.js";
import { openReports } from "./reports.js";
import { openRunServers, showRunServers } from "./run-servers.js";
import { update } from "./sessions.js";
import { follow } from "./stream.js";
import { Transcript } from "./transcript.js";

const MAX_ITEMS = 300; // messages, tool calls, runs and approvals to load; the API has older ones
// Events after which the name, status or usage of the session may differ.
const STATUS = /^connected$|^session\.(run_(?!started|queued)|approval|usage|archive|unarchive|changed|paused|resumed)/;
const CANCELLED = "The run was cancelled.";
const RESUMED = {
  lost: "The service of the agent was lost. Another agent goes on.",
  handover: "The service of the agent was stopped. Another agent goes on.",
  agent_died: "The agent was lost. Another one goes on.",
};
const UNANSWERED = ["failed", "cancelled"]; // statuses of runs without an answer
const NOT_FOUND = "This session does not exist, has been deleted, or belongs to another user.";
const HEAD = ["#name", "#status", "#usage", "#connection", "#session-error", "#ask [role=alert]"];
const list = find("#transcript");
const queue = find("#queued");
const scroller = find("#scroller");
const message = find("#message");
let path = null; // of the open session
let atEnd = true;

/** Show a session until `signal` aborts. */
export async function open(id, signal) {
  path = `/sessions/${id}`;
  atEnd = true;
  for (const part of HEAD) find(part).textContent = "";
  for (const part of ["#cancel", "#earlier", "#session-owner"]) find(part).hidden = true;
  find("#ask").hidden = false;
  openReports(id, signal);
  openRunServers(id, signal);
  try {
    await watch(id, signal);
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.status === 404) find("#name").textContent = "Session not found";
    close(problem.status === 404 ? NOT_FOUND : problem.message);
  }
}

/** Show why the session cannot be used any more. */
function close(reason) {
  find("#session-error").textContent = reason;
  find("#connection").textContent = "";
  for (const part of ["#ask", "#reports", "#run-servers"]) find(part).hidden = true;
}

async function watch(id, signal) {
  const path = `/sessions/${id}`;
  let transcript = new Transcript(list, queue, path);
  let loaded = false;
  for await (const { event, data } of follow(`${path}/events`, signal)) {
    if (event === "connected" && !loaded) {
      // Events that occur while the history loads wait in the stream; items that both contain are shown once.
      await load(id, transcript, signal);
      loaded = true;
    }
    if (event === "gap") {
      transcript = new Transcript(list, queue, path);
      loaded = false;
    }
    showConnection(find("#connection"), event);
    show(transcript, event, data);
    if (STATUS.test(event)) await head(path, signal).catch(() => {}); // tried again at the next event
    if (event === "session.deleted") return close("The session was deleted.");
  }
}

function show(transcript, event, data) {
  switch (event) {
    case "text_delta":
      return transcript.append(data.run_id, data.message_id, data.text);
    case "session.run_queued":
      return transcript.queue(data.run_id, data.message);
    case "session.run_requested":
      transcript.dequeue(data.run_id);
      return transcript.message(userMessage(data));
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
    case "session.mcp_servers_connected":
      return showRunServers(data.run_id);
    case "session.run_resumed":
      return transcript.resumed(data.run_id, data.attempt, RESUMED[data.reason]);
    case "session.run_completed":
      return transcript.completed(data.run_id);
    case "lost":
      return transcript.discardLive();
    case "session.run_failed":
      return transcript.notice(data.run_id, "failed", data.error_detail);
    case "session.run_cancelled":
      return transcript.notice(data.run_id, "cancelled", CANCELLED);
  }
}

/** Return a message of the user in the form of the list of messages. */
const userMessage = ({ message_id: id, message: content, truncated }) => (
  { id, message_type: "user", content: { content, truncated } });

/** Return a recorded message in the form of the list of messages. */
function recorded({ message_id, blocks, ...rest }) {
  const content = blocks.map((block) => block.text ?? "").join("");
  const truncated = blocks.some((block) => block.truncated);
  return { ...rest, id: message_id, message_type: "assistant", content: { content, truncated } };
}

async function load(id, transcript, signal) {
  const path = `/sessions/${id}`;
  const messages = await newest(`${path}/messages?order=desc`, signal);
  const tools = await newest(`${path}/tool-calls?order=desc`, signal);
  const runs = await newest(`${path}/runs`, signal);
  const approvals = await newest(`/approvals?session_id=${id}`, signal);
  const oldest = messages.more ? time(messages.items[0]) : 0;
  const unanswered = runs.items.filter((run) => UNANSWERED.includes(run.status) && time(run) >= oldest);
  const begun = new Set(messages.items.map((message) => message.run_id));
  // A run may end at the same time as the next one begins: ends come first here, and sorting is stable.
  const questions = approvals.items.filter((approval) => approval.kind === "elicitation");
  const past = [...unanswered, ...messages.items, ...tools.items, ...questions];
  const last = new Map(messages.items.map((message) => [message.run_id, time(message)]));
  const place = (item) => Math.max(time(item), (last.get(item.id) ?? 0) + 0.5); // a run ends after what it has written
  past.sort((one, other) => place(one) - place(other));
  for (const item of past) {
    if (item.message_type) transcript.message(item);
    else if (item.kind) transcript.approval(item);
    else if (item.tool_name) transcript.tool(item);
    else ended(transcript, item, begun.has(item.id));
  }
  find("#earlier").hidden = !messages.more;
  const queued = runs.items.filter((run) => run.status === "queued" && !begun.has(run.id));
  for (const run of queued) transcript.queue(run.id, run.prompt);
  for (const approval of approvals.items) {
    if (approval.status === "pending") transcript.approval(approval);
    else transcript.decided({ ...approval, approval_id: approval.id, decision: approval.status });
  }
}

function ended(transcript, run, begun) {
  if (!begun) transcript.queue(run.id, run.prompt); // no message was recorded: the run ended in the queue
  transcript.notice(run.id, run.status, run.status === "failed" ? run.error_detail : CANCELLED);
}

/** Return the time of an item in milliseconds; of a run, when it ended. */
const time = ({ ended_at, created_at }) => Date.parse(ended_at ?? created_at);

/** Return the newest items of a list, oldest first. `first` is the path of its first page, newest first. */
async function newest(first, signal) {
  const items = [];
  let next = first;
  while (next && items.length < MAX_ITEMS) {
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
  showOwner(find("#session-owner"), session.user_id, await me());
}

submits(find("#ask"), async () => {
  const sent = message.value;
  message.value = ""; // before the response: what is typed until then is the next message
  try {
    await ask(`${path}/query`, post({ message: sent, on_busy: "enqueue" }, { Prefer: "respond-async" }));
  } catch (problem) {
    message.value = [sent, message.value].filter(Boolean).join("\n");
    throw problem;
  }
  atEnd = true;
});

message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("#ask").requestSubmit();
});

presses(find("#cancel"), find("#session-error"), () => ask(`${path}/interrupt`, post()));

scroller.addEventListener("scroll", () => {
  atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
});
function toEnd() {
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}
const grown = new MutationObserver(toEnd);
for (const part of [list, queue]) grown.observe(part, { childList: true, subtree: true, characterData: true });
new ResizeObserver(toEnd).observe(scroller); // the heading and alerts grow later, at the expense of this area
