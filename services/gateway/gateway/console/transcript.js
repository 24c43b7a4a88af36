// What was said and done in a session. Everything is known by its id, so what is told twice is shown once.

import { ask, get, post } from "./api.js";
import { find, mark, stamp, submits } from "./elements.js";

export class Transcript {
  #list;
  #path;
  #shown = new Map();
  #live = null;
  #speaking = null;

  /** Fill `list`; `path` is the session's. */
  constructor(list, path) {
    this.#list = list;
    this.#path = path;
    list.replaceChildren();
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

  /** Show the next words of what is being said in a run. */
  say(run, text) {
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

  /** Take away words whose message does not come any more: they are kept nowhere. */
  hush(run = this.#speaking) {
    if (run !== this.#speaking) return;
    this.#live?.remove();
    this.#live = null;
  }

  /** Show a tool call as it is now. */
  tool({ id, tool_name, tool_input, tool_output, status }) {
    const card = this.#shown.get(id) ?? this.#add(id, this.#card(id));
    if (tool_name) {
      find(".name", card).textContent = tool_name;
      find(".gist", card).textContent = Object.values(tool_input).find((value) => typeof value === "string") ?? "";
      find(".input", card).textContent = JSON.stringify(tool_input, null, 2);
    }
    find(".output", card).textContent = written(tool_output);
    mark(find(".chip", card), status);
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

  /** Show what was decided, in place of the question. */
  decided({ approval_id, decision, message }) {
    const ruling = document.createElement("p");
    ruling.className = "ruling";
    ruling.textContent = `${decision[0].toUpperCase()}${decision.slice(1)}${message && `: ${message}`}`;
    ruling.tabIndex = -1;
    const form = this.#shown.get(approval_id);
    const focused = form?.contains(document.activeElement);
    form?.replaceWith(ruling);
    if (focused) ruling.focus();
  }

  /** Show how a run ended that gave no answer. */
  notice(id, text) {
    this.hush(id);
    if (this.#shown.has(id)) return;
    const notice = document.createElement("li");
    notice.className = "notice";
    notice.textContent = text;
    this.#add(id, notice);
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
