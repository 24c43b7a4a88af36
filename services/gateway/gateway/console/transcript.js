// The conversation of a session. Items are identified by their ids, so that a repeated one is shown once.

import { get } from "./api.js";
import { approvalForm } from "./approvals.js";
import { create, find, mark, stamp } from "./elements.js";
import { LiveText } from "./live-text.js";
import { colourCode, showMarkdown } from "./markdown.js";
import { showInput, title } from "./tool-input.js";

// The statuses of a tool call that has not ended, which a decision about it changes.
const OPEN = ["running", "waiting_approval"];

export class Transcript {
  #list;
  #queue;
  #path;
  #shown = new Map();
  #queued = new Map();
  #ended = new Set();
  #kept = new Map(); // streamed text of runs that ended without an answer, until its message is recorded
  #live = null;
  #liveText = null;
  #liveRun = null;
  #liveMessage = null;

  /** Show messages in `list` and queued ones in `queue`; `path` is that of the session. */
  constructor(list, queue, path) {
    this.#list = list;
    this.#queue = queue;
    this.#path = path;
    list.replaceChildren();
    queue.replaceChildren();
  }

  /** Show a message, which replaces the text that was being streamed. */
  message({ id, message_type, content, parent_tool_call_id, incomplete }) {
    if (message_type === "assistant") this.discardLive();
    if (!content.content || this.#shown.has(id)) return;
    const entry = this.#add(id, messageElement(message_type, content.content, parent_tool_call_id));
    if (incomplete) label(entry, "incomplete");
    this.#kept.get(id)?.replaceWith(entry);
    const showAll = find("button", entry);
    if (!content.truncated) return showAll.remove(); // lists contain only the beginning of large messages
    showAll.addEventListener("click", async () => {
      try {
        showText(find(".text", entry), message_type, (await get(`${this.#path}/messages/${id}`)).content.content);
        showAll.remove();
      } catch (problem) {
        showAll.textContent = `${problem.message} Try again`;
      }
    });
  }

  /** Show a message whose run is queued. */
  queue(run, text) {
    if (this.#queued.has(run) || this.#ended.has(run)) return;
    const entry = messageElement("user", text);
    find("button", entry).remove();
    label(entry, "queued");
    this.#queued.set(run, entry);
    this.#queue.append(entry);
  }

  /** Remove a message from the queue, because its run begins. */
  dequeue(run) {
    this.#queued.get(run)?.remove();
    this.#queued.delete(run);
  }

  /** Append a piece of a message that is being streamed in a run. */
  append(run, message, text) {
    if (this.#ended.has(run) || this.#shown.has(message)) return; // deltas may arrive after the end of their message
    if (message !== this.#liveMessage) this.discardLive(); // the model has started again
    this.#liveRun = run;
    this.#liveMessage = message;
    if (!this.#live) {
      this.#live = messageElement("assistant", "");
      find("button", this.#live).remove();
      this.#live.classList.add("live");
      this.#live.ariaLive = "off"; // the whole message is announced, not each word
      this.#list.append(this.#live);
      this.#liveText = new LiveText(find(".text", this.#live));
    }
    this.#liveText.append(text);
  }

  /** Remove the streamed text: its message is shown, or will be. */
  discardLive() {
    this.#live?.remove();
    this.#live = null;
  }

  /** Record that a run has completed, after which its deltas are ignored. */
  completed(run) {
    this.#ended.add(run);
    if (run === this.#liveRun) this.discardLive();
  }

  /** Show that another agent goes on with a run, and why. What was being streamed is written again. */
  resumed(run, attempt, text) {
    if (run === this.#liveRun) this.discardLive();
    const id = `${run} ${attempt}`;
    if (!this.#shown.has(id)) this.#add(id, create("li", { className: "notice", textContent: text }));
  }

  /** Show the current state of a tool call. */
  tool({ id, tool_name, tool_input, tool_output, status }) {
    const card = this.#shown.get(id) ?? this.#add(id, this.#card(id));
    if (tool_name) {
      find(".name", card).textContent = tool_name;
      find(".gist", card).textContent = title(tool_input);
      showInput(find(".input", card), tool_name, tool_input);
    }
    find(".output", card).textContent = outputText(tool_output);
    mark(find(".chip", card), status);
    if (tool_input?.truncated || tool_output?.truncated) card.dataset.truncated = "";
    return card;
  }

  /** Show the form of an approval at its tool call; the question of an MCP server belongs to no call. */
  approval(approval) {
    const { id, tool_call_id, tool_name, tool_input, kind } = approval;
    if (this.#shown.has(id)) return;
    const unknown = { id: tool_call_id ?? `of ${id}`, tool_name, tool_input, status: "waiting_approval" };
    const about = this.#shown.get(tool_call_id) ?? this.tool(unknown);
    find("details", about).open = true;
    if (kind === "elicitation") about.dataset.question = "";
    const form = approvalForm(approval);
    about.append(form);
    if (find(".chip", about).dataset.is === "running") mark(find(".chip", about), "waiting_approval");
    this.#shown.set(id, form);
  }

  /** Show the decision about a tool call, in place of its form if that is shown. */
  decided({ approval_id, tool_call_id, decision, message }) {
    const question = this.#shown.get(approval_id);
    const card = question?.closest(".tool") ?? this.#shown.get(tool_call_id);
    if (!card || question?.className === "decision") return;
    const text = `${decision[0].toUpperCase()}${decision.slice(1)}${message && `: ${message}`}`;
    const decisionElement = create("p", { className: "decision", textContent: text, tabIndex: -1 });
    const focused = question?.contains(document.activeElement);
    if (question) question.replaceWith(decisionElement);
    else card.append(decisionElement);
    this.#shown.set(approval_id, decisionElement);
    if (focused) decisionElement.focus();
    const chip = find(".chip", card);
    if ("question" in card.dataset) mark(chip, decision);
    else if (OPEN.includes(chip.dataset.is)) mark(chip, decision === "approved" ? "running" : "denied");
  }

  /** Show how a run ended without an answer. Its streamed text or queued message stays, with the label `how`. */
  notice(run, how, text) {
    this.#ended.add(run);
    if (run === this.#liveRun) this.#keepLive(how);
    if (this.#shown.has(run)) return;
    const question = this.#queued.get(run);
    if (question) {
      this.#queued.delete(run);
      label(question, how);
      this.#add(question, question);
    }
    this.#add(run, create("li", { className: "notice", textContent: text }));
  }

  #keepLive(how) {
    if (!this.#live) return;
    this.#liveText.finish();
    this.#live.classList.remove("live");
    this.#live.ariaLive = null;
    label(this.#live, how);
    this.#kept.set(this.#liveMessage, this.#live);
    this.#live = null;
  }

  #add(id, element) {
    this.#shown.set(id, element);
    this.#list.append(element);
    if (this.#live) this.#list.append(this.#live);
    return element;
  }

  #card(id) {
    const card = stamp("tool-entry");
    find("details", card).addEventListener("toggle", () => this.#complete(card, id));
    return card;
  }

  /** Load what is truncated, again if the call goes on meanwhile: events show its status earlier than a response. */
  async #complete(card, id) {
    if (!("truncated" in card.dataset)) return;
    const chip = find(".chip", card);
    const status = chip.dataset.is;
    try {
      const whole = await get(`${this.#path}/tool-calls/${id}`);
      if (chip.dataset.is !== status) return this.#complete(card, id);
      delete card.dataset.truncated;
      this.tool({ ...whole, status });
    } catch (problem) {
      find(".output", card).textContent = problem.message;
    }
  }
}

function label(entry, status) {
  const chip = find(".chip", entry);
  mark(chip, status);
  chip.hidden = false;
}

function messageElement(type, text, parent) {
  const entry = stamp("message-entry");
  entry.classList.add(type);
  find("h3", entry).textContent = type === "user" ? "User" : parent ? "Subagent" : "Agent";
  showText(find(".text", entry), type, text);
  return entry;
}

/** Show the text of a message: of an agent as Markdown, of a user as it was entered. */
function showText(element, type, text) {
  if (type === "user") element.textContent = text;
  else if (showMarkdown(element, text)) colourCode(element).catch(() => {}); // without colours it can be read, too
}

function outputText(output) {
  if (!output) return "";
  return typeof output.content === "string" ? output.content : JSON.stringify(output, null, 2);
}
