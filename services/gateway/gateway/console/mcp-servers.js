// The list of MCP servers, the form that registers one, and files of servers.

import { ask, me, post } from "./api.js";
import { save } from "./downloads.js";
import { find, mark, stamp, submits } from "./elements.js";
import { watch } from "./live.js";
import { serverForm } from "./mcp-server-form.js";
import { showOwner } from "./owners.js";
import { Table } from "./table.js";
import { showTime } from "./times.js";

/** Show the MCP servers in `view` until `signal` aborts. */
export async function openServers(view, signal) {
  const page = stamp("servers-page");
  view.replaceChildren(page);
  find("h2", page).focus();
  submits(find(".export", page), exportFile);
  submits(find(".import", page), (fields) => importFile(fields, find(".result", page)));
  try {
    const viewer = await me();
    find(".new", page).append(serverForm(viewer, (body) => create(body, signal)));
    for (const part of page.querySelectorAll(".change")) part.hidden = viewer.role === "viewer";
    await watchTable(page, viewer, signal);
  } catch (problem) {
    if (!signal.aborted) find(":scope > [role=alert]", page).textContent = problem.message;
  }
}

/** Register a server, and open its page unless the user has left this one. Throws Problem. */
async function create(body, signal) {
  const server = await (await ask("/mcp-servers", post(body))).json();
  if (!signal.aborted) location.hash = `mcp-servers/${server.id}`;
}

function watchTable(page, viewer, signal) {
  const fill = (row, server) => showRow(row, server, viewer);
  const table = new Table(page, { path: "/mcp-servers", newRow: () => stamp("server-row"), fill, signal });
  const changed = (_, id) => table.update(id);
  return watch("mcp_server.", find(".connection", page), { load: () => table.load(), changed }, signal);
}

function showRow(row, server, viewer) {
  find("a", row).textContent = server.name;
  find("a", row).href = `#mcp-servers/${server.id}`;
  showOwner(find(".owner", row), server.user_id, viewer);
  find(".global", row).hidden = !server.is_global;
  find(".type", row).textContent = server.server_type;
  mark(find(".state", row), server.is_enabled ? "enabled" : "disabled");
  mark(find(".health", row), server.health);
  find(".problem", row).textContent = server.error_code ?? "";
  find(".tools", row).textContent = server.tool_count;
  find(".latency", row).textContent = latency(server.latency_ms);
  showTime(find("time", row), server.checked_at);
}

/** Return a latency like `42 ms`; an empty text if it is null. */
export const latency = (milliseconds) => (milliseconds === null ? "" : `${Math.round(milliseconds)} ms`);

async function exportFile(fields) {
  const query = new URLSearchParams({ format: fields.get("format"), style: fields.get("style") });
  if (fields.has("include_secrets")) query.set("include_secrets", "true");
  await save(await ask(`/mcp-servers/export?${query}`));
}

/** Import a file, and show what was imported; its events show the servers in the table. Throws Problem. */
async function importFile(fields, result) {
  result.replaceChildren();
  const body = new FormData();
  body.set("file", fields.get("file"));
  const path = `/mcp-servers/import?on_conflict=${fields.get("on_conflict")}`;
  const imported = await (await ask(path, { method: "POST", body })).json();
  const counts = `Imported: ${imported.imported_count}, skipped: ${imported.skipped_count}, `
    + `failed: ${imported.errors.length}.`;
  const failures = imported.errors.map(({ name, detail }) => `${name}: ${detail}`);
  result.replaceChildren(...[counts, ...failures].map(paragraph));
}

const paragraph = (text) => Object.assign(document.createElement("p"), { textContent: text });
