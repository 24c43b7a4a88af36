// What was said and done in a session. Everything is known by its id, so what is told twice is shown once.

import { ask, get, post } from "./api.js";
import { find, mark, stamp, submits } from "./elements.js";

// What a tool call is about: the first of these parameters that it has, whatever the order in its input.
const TELLING = [
  "file_path", "notebook_path", "command", "pattern", "url", "query", "skill", "description", "path", "prompt", "name",
];
// How the session service's answer to a denied call begins, also where nobody was asked.
const DENIED = "This tool call was not approved:";

export class Transcript {
  #list;
  #queue;
  #path;
  #shown = new Map();
  #queued = new Map();
  #ended = new Set();
  #live = null;
  #speaking = null;

  /** Fill `list`, and `queue` with what waits for its turn; `path` is the session's. */
  constructor(list, queue, path) {
    this.#list = list;
    this.#queue = queue;
    this.#path = path;
    list.replaceChildren();
    queue.replaceChildren();
  }

  /** Show a message, which ends the words that were being said. */
  message({ id, message_type, content, parent_tool_call_id }) {
    if (message_type === "assistant") this.hush();
    if (!content.content || this.#shown.has(id)) return;
    const entry = this.#add(id, said(message_type, content.content, parent_tool_call_id));
    const all = find("button", entry);
    if (!content.truncated) return all.remove(); // lists leave out what is large
    all.addEventListener("click", async () => {
      try {
        find(".text", entry).textContent = (await get(`${this.#path}/messages/${id}`)).content.content;
        all.remove();
      } catch (problem) {
        all.textContent = `${problem.message} Try again`;
      }
    });
  }

  /** Show a message that waits for its run to begin. */
  queue(run, text) {
    if (this.#queued.has(run) || this.#ended.has(run)) return;
    const entry = said("user", text);
    find("button", entry).remove();
    label(entry, "queued");
    this.#queued.set(run, entry);
    this.#queue.append(entry);
  }

  /** Take a message out of the queue: its run begins. */
  dequeue(run) {
    this.#queued.get(run)?.remove();
    this.#queued.delete(run);
  }

  /** Show the next words of what is being said in a run. */
  say(run, text) {
    if (this.#ended.has(run)) return; // words may be told late
    this.#speaking = run;
    if (!this.#live) {
      this.#live = said("assistant", "");
      find("button", this.#live).remove();
      this.#live.classList.add("live");
      this.#live.ariaLive = "off"; // the whole message is announced, not each word
      this.#list.append(this.#live);
    }
    find(".text", this.#live).append(text);
  }

  /** Take away the words that were being said: their message is there, or will be. */
  hush() {
    this.#live?.remove();
    this.#live = null;
  }

  /** Note that a run answered: nothing more is said in it. */
  completed(run) {
    this.#ended.add(run);
    if (run === this.#speaking) this.hush();
  }

  /** Show a tool call as it is now. */
  tool({ id, tool_name, tool_input, tool_output, status }) {
    const card = this.#shown.get(id) ?? this.#add(id, this.#card(id));
    if (tool_name) {
      find(".name", card).textContent = tool_name;
      find(".gist", card).textContent = gist(tool_input);
      find(".input", card).textContent = JSON.stringify(tool_input, null, 2);
    }
    find(".output", card).textContent = written(tool_output);
    if (written(tool_output).startsWith(DENIED)) card.dataset.denied = "";
    outcome(card, status);
    if (tool_input?.truncated || tool_output?.truncated) card.dataset.truncated = "";
    return card;
  }

  /** Ask the person at the page about a tool call. */
  approval({ id, tool_call_id, tool_name, tool_input }) {
    if (this.#shown.has(id)) return;
    const unknown = { id: tool_call_id ?? `of ${id}`, tool_name, tool_input, status: "waiting" };
    const about = this.#shown.get(tool_call_id) ?? this.tool(unknown);
    find("details", about).open = true;
    const form = stamp("approval-entry");
    submits(form, (given) => ask(`/approvals/${id}/${given.get("decision")}`, post({
      message: given.get("message"),
      remember: given.get("remember") ?? "once",
    })));
    about.append(form);
    this.#shown.set(id, form);
  }

  /** Show what was decided about a tool call, in place of the question where that is shown. */
  decided({ approval_id, tool_call_id, decision, message }) {
    const question = this.#shown.get(approval_id);
    const card = question?.closest(".tool") ?? this.#shown.get(tool_call_id);
    if (!card || question?.className === "ruling") return;
    const ruling = document.createElement("p");
    ruling.className = "ruling";
    ruling.textContent = `${decision[0].toUpperCase()}${decision.slice(1)}${message && `: ${message}`}`;
    ruling.tabIndex = -1;
    const focused = question?.contains(document.activeElement);
    if (question) question.replaceWith(ruling);
    else card.append(ruling);
    this.#shown.set(approval_id, ruling);
    if (focused) ruling.focus();
    if (decision === "denied") card.dataset.denied = "";
    outcome(card, find(".chip", card).dataset.is);
  }

  /** Show how a run ended that gave no answer; what it was saying, or waited to be asked, stays, marked with `how`. */
  notice(run, how, text) {
    this.#ended.add(run);
    if (run === this.#speaking) this.#keep(how);
    if (this.#shown.has(run)) return;
    const question = this.#queued.get(run);
    if (question) {
      this.#queued.delete(run);
      label(question, how);
      this.#add(question, question);
    }
    const notice = document.createElement("li");
    notice.className = "notice";
    notice.textContent = text;
    this.#add(run, notice);
  }

  #keep(how) {
    if (!this.#live) return;
    this.#live.classList.remove("live");
    this.#live.ariaLive = null;
    label(this.#live, how);
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
    find("details", card).addEventListener("toggle", async () => {
      if (!("truncated" in card.dataset)) return;
      try {
        const whole = await get(`${this.#path}/tool-calls/${id}`);
        delete card.dataset.truncated;
        this.tool(whole);
      } catch (problem) {
        find(".output", card).textContent = problem.message;
      }
    });
    return card;
  }
}

function gist(input) {
  if (input.truncated) return ""; // its beginning depends on the order of the keys; the whole comes when it is opened
  const names = [...TELLING, ...Object.keys(input).sort()];
  const telling = names.find((name) => Object.hasOwn(input, name) && typeof input[name] === "string");
  return telling ? input[telling] : "";
}

function outcome(card, status) {
  mark(find(".chip", card), status === "error" && "denied" in card.dataset ? "denied" : status);
}

function label(entry, status) {
  const chip = find(".chip", entry);
  mark(chip, status);
  chip.hidden = false;
}

function said(type, text, parent) {
  const entry = stamp("message-entry");
  entry.classList.add(type);
  find("h3", entry).textContent = type === "user" ? "User" : parent ? "Subagent" : "Agent";
  find(".text", entry).textContent = text;
  return entry;
}

function written(output) {
  if (!output) return "";
  return typeof output.content === "string" ? output.content : JSON.stringify(output, null, 2);
}
