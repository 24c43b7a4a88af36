// One MCP server: its definition, the result of its last check, its tools, and the actions on it.

import { ask, get, me, post } from "./api.js";
import { find, mark, presses, showProperties, stamp, submits } from "./elements.js";
import { merged, watch } from "./live.js";
import { latency } from "./mcp-servers.js";
import { formatted } from "./times.js";

const NOT_FOUND = "This MCP server does not exist, has been deleted, or belongs to another user.";
const CONFIRMATION = "Delete this MCP server with its secrets? Sessions can no longer use it.";
const DIFFERENCES = { added: "Added", changed: "Changed", removed: "Removed" };
const CLIENT_FIELDS = ["client_id", "client_secret", "scope"];

/** Show an MCP server in `view` until `signal` aborts. */
export async function openServer(id, view, signal) {
  const page = stamp("server-page");
  view.replaceChildren(page);
  find("h2", page).focus();
  try {
    await new ServerPage(id, page, await me(), signal).watch();
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.status === 404) find("h2", page).textContent = "MCP server not found";
    close(page, problem.status === 404 ? NOT_FOUND : problem.message);
  }
}

/** Show why the server cannot be used any more. */
function close(page, reason) {
  find(".main.alert", page).textContent = reason;
  find(".connection", page).textContent = "";
  find(".content", page).hidden = true;
}

class ServerPage {
  #id;
  #path;
  #page;
  #viewer;
  #signal;
  #server = null;
  #tools = null; // as they are shown, so that those that are unfolded stay so
  #update = merged(async () => this.#show(await get(this.#path, { signal: this.#signal })));

  constructor(id, page, viewer, signal) {
    this.#id = id;
    this.#path = `/mcp-servers/${id}`;
    this.#page = page;
    this.#viewer = viewer;
    this.#signal = signal;
    this.#action(".check", () => this.#send("check"));
    this.#action(".enable", () => this.#send(this.#server.is_enabled ? "disable" : "enable"));
    this.#action(".accept", () => this.#send("accept", { tools_version: this.#server.tools_version }));
    this.#action(".delete", () => this.#delete());
    this.#action(".revoke", () => this.#revoke());
    submits(find(".authorization form", page), (fields) => this.#authorize(fields));
  }

  /** Load the page and follow the events of the server. Throws Problem. */
  async watch() {
    const changed = (type, id, data) => {
      if (id !== this.#id) return;
      const deleted = () => close(this.#page, "The MCP server was deleted.");
      if (type === "mcp_server.deleted") return this.#update().catch(deleted);
      if (type.startsWith("mcp_server.authoriz")) authorizationEnded(this.#page, data);
      return this.#update();
    };
    const label = find(".connection", this.#page);
    await watch("mcp_server.", label, { load: this.#update, changed }, this.#signal);
  }

  #action(selector, act) {
    presses(find(selector, this.#page), find(".main.alert", this.#page), act);
  }

  /** Send an action, and show the server after it. Throws Problem. */
  async #send(action, body) {
    await ask(`${this.#path}/${action}`, post(body));
    await this.#update();
  }

  async #delete() {
    if (!confirm(CONFIRMATION)) return;
    await ask(this.#path, { method: "DELETE" });
    if (!this.#signal.aborted) location.hash = "mcp-servers";
  }

  async #revoke() {
    await ask(`${this.#path}/authorization`, { method: "DELETE" });
    await this.#update();
  }

  async #authorize(fields) {
    const client = CLIENT_FIELDS.map((name) => [name, fields.get(name).trim()]).filter(([, value]) => value !== "");
    const response = await ask(`${this.#path}/authorize`, post(Object.fromEntries(client)));
    openAuthorization(this.#page, new URL((await response.json()).authorization_url));
  }

  #show(server) {
    const page = this.#page;
    const owned = server.user_id === this.#viewer.id;
    const changeable = this.#viewer.role === "admin" || (this.#viewer.role === "user" && owned && !server.is_global);
    this.#server = server;
    find(".foreign", page).hidden = owned; // the stream has only events of the account
    find(".connection", page).hidden = !owned;
    for (const part of page.querySelectorAll(".change")) part.hidden = !changeable;
    find(".check", page).hidden = this.#viewer.role === "viewer" || !server.is_enabled;
    find(".authorization", page).hidden = !changeable || server.server_type === "STDIO";
    showServer(page, server);
    showDifference(find(".difference", page), server);
    const tools = JSON.stringify([server.tools, server.difference]);
    if (tools !== this.#tools) showTools(page, server);
    this.#tools = tools;
    find(".content", page).hidden = false;
  }
}

function showServer(page, server) {
  find("h2", page).textContent = server.name;
  mark(find(".state", page), server.is_enabled ? "enabled" : "disabled");
  mark(find(".health", page), server.health);
  find(".enable", page).textContent = server.is_enabled ? "Disable" : "Enable";
  find(".revoke", page).hidden = !server.is_authorized;
  const detail = [server.error_code, server.error_detail].filter(Boolean).join(": ");
  find(".detail", page).textContent = detail;
  showProperties(find(".definition", page), properties(server));
}

function properties(server) {
  const names = (values) => Object.keys(values ?? {}).join(", ");
  const checked = server.checked_at ? formatted(server.checked_at) : "never";
  return [
    ["Description", server.description],
    ["Type", server.server_type],
    ["URL", server.url ?? ""],
    ["Program", [server.command, ...(server.args ?? [])].filter(Boolean).join(" ")],
    ["Environment", names(server.env)],
    ["Headers", names(server.headers)],
    ["Network hosts", server.network_hosts.join(", ")],
    ["Workspace", server.server_type === "STDIO" ? server.workspace : ""],
    ["Allowed tools", server.allowed_tools ? server.allowed_tools.join(", ") || "none" : ""],
    ["Usable by", server.is_global ? "all users" : "its owner"],
    ["Authorized", server.is_authorized ? "yes" : ""],
    ["Version", server.server_version ?? ""],
    ["Latency", latency(server.latency_ms)],
    ["Last check", checked],
  ];
}

/** Show which tools differ from those that were accepted. */
function showDifference(section, { health, difference }) {
  section.hidden = health !== "changed";
  const shown = Object.entries(DIFFERENCES).map(([kind, title]) => [title, difference[kind].join(", ")]);
  showProperties(find("dl", section), shown);
}

/** Show the tools as the server describes them. Those that differ from what was accepted are unfolded. */
function showTools(page, { tools, difference }) {
  const kinds = new Map(["added", "changed"].flatMap((kind) => difference[kind].map((name) => [name, kind])));
  find(".no-tools", page).hidden = tools.length > 0;
  find(".tools", page).replaceChildren(...tools.map((tool) => toolEntry(tool, kinds.get(tool.name))));
}

function toolEntry(tool, kind) {
  const entry = stamp("server-tool");
  find("details", entry).open = kind !== undefined;
  find(".name", entry).textContent = tool.name;
  mark(find(".chip", entry), kind ?? "");
  find(".gist", entry).textContent = tool.description;
  find(".text", entry).textContent = tool.description;
  find(".input", entry).textContent = JSON.stringify(tool.input_schema, null, 2);
  find(".output", entry).textContent = tool.output_schema ? JSON.stringify(tool.output_schema, null, 2) : "";
  return entry;
}

/** Open the page of an authorization server; the link remains for browsers that block new windows. */
function openAuthorization(page, url) {
  if (!["https:", "http:"].includes(url.protocol)) throw new Error("The URL of the authorization server is not valid.");
  const link = find(".authorization a", page);
  link.href = url;
  link.textContent = `Authorize at ${url.host}`;
  link.hidden = false;
  link.click();
}

/** Hide the link, and show why the authorization failed or was ended. */
function authorizationEnded(page, { error_detail, detail }) {
  find(".authorization a", page).hidden = true;
  find(".authorization [role=alert]", page).textContent = error_detail ?? detail ?? "";
}
