// The list of sessions, and the form that creates one.

import { ask, get, me, post } from "./api.js";
import { find, mark, stamp } from "./elements.js";
import { paced, watch } from "./live.js";
import { showOwner } from "./owners.js";
import { Table } from "./table.js";
import { showAge } from "./times.js";

const TYPING_MS = 250; // a search begins after such a pause
const PAUSE_MS = 3_000; // between requests for changed sessions, since the API limits requests
const section = find("#list");
const search = find("[type=search]", section);
let table = null;
let reread = null; // shows the current state of a session, by its id
let opened = null; // the id of the open session, whose page updates the list

/** Show the sessions and follow their changes until `signal` aborts; to an administrator, with their owners. */
export async function watchSessions(signal) {
  const viewer = await me();
  const newRow = () => stamp("session-entry");
  const fill = (row, session) => show(row, session, viewer);
  const belongs = ({ name }) => isFound(name);
  table = new Table(section, { path: "/sessions", filters, belongs, newRow, fill, signal });
  reread = paced(PAUSE_MS, (ids) => refresh(ids, signal));
  const changed = (type, id, data) => table.queue(data, () => {
    const created = { ...data, id, status: "created", created_at: data.time };
    if (type === "session.deleted") table.remove(id);
    else if (type === "session.created" && !table.has(id)) table.show(created);
    else if (id !== opened && (table.has(id) || isFound(data.name))) reread(id);
  });
  await watch("session.", null, { load: () => table.load(), changed }, signal);
}

/** Show the current state of a session that the search does not exclude. */
export function update(session) {
  table?.queue(session, () => table.show(session));
}

/** Mark the open session. */
export function choose(id) {
  if (opened && opened !== id) reread?.(opened); // its page may be left before it has shown the latest change
  opened = id;
  for (const link of section.querySelectorAll("li a")) markOpen(link);
}

/** Create a session from the fields of the form, and return its id. Throws Problem. */
export async function start(fields) {
  const servers = fields.getAll("mcp_servers");
  const body = {
    name: fields.get("name"),
    mode: fields.get("mode"),
    sdk_options: {
      permission_mode: fields.get("permission_mode"),
      ...(servers.length > 0 && { mcp_servers: servers }),
    },
  };
  return (await (await ask("/sessions", post(body))).json()).id;
}

const words = () => search.value.trim();
const filters = () => (words() ? `&q=${encodeURIComponent(words())}` : "");
const isFound = (name) => !words() || name?.toLowerCase().includes(words().toLowerCase());

/** Show changed sessions: one request for all that are among the newest, and one for each of the others. */
async function refresh(ids, signal) {
  const others = new Set(ids);
  if (ids.size > 1) await table.queue(ids, async () => {
    const { items } = await get(`/sessions?limit=25${filters()}`, { signal });
    for (const session of items) if (others.delete(session.id)) table.show(session);
  });
  await Promise.all([...others].map((id) => table.update(id)));
}

function show(row, session, viewer) {
  const link = find("a", row);
  link.href = `#${session.id}`;
  markOpen(link);
  find(".name", row).textContent = find(".name", row).title = session.name;
  mark(find(".chip", row), session.status);
  showOwner(find(".owner", row), session.user_id, viewer);
  showAge(find("time", row), session.created_at);
}

const markOpen = (link) => { link.ariaCurrent = link.hash === `#${opened}` ? "page" : null; };

let typing = null;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => reload(), TYPING_MS);
});

async function reload() {
  const alert = find(":scope > [role=alert]", section);
  alert.textContent = "";
  await table?.load().catch((problem) => { alert.textContent = problem.message; });
}
