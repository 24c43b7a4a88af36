// The list of sessions, and the form that creates one.

import { ask, get, me, post } from "./api.js";
import { find, mark, showOwner, stamp } from "./elements.js";

const list = find("#sessions");
const more = find("#more");
let next = null;
let viewer = null;

/** Reload the first page of the list; for an administrator, with the owners of the sessions. */
export async function reload() {
  viewer = await me();
  const page = await get("/sessions?limit=25");
  list.replaceChildren();
  append(page);
}

/** Append the next page. */
export const showMore = async () => append(await get(next));

/** Update the status of a session, if it is in the list. */
export function update(session) {
  const entry = document.getElementById(`session-${session.id}`);
  if (entry) mark(find(".chip", entry), session.status);
}

/** Mark the open session; return whether it is in the list. */
export function choose(id) {
  for (const link of list.querySelectorAll("a")) link.ariaCurrent = link.hash === `#${id}` ? "page" : null;
  return find("[aria-current]", list) !== null;
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

function append(page) {
  next = page.links.next;
  more.hidden = next === null;
  for (const session of page.items) {
    document.getElementById(`session-${session.id}`)?.remove(); // new sessions may have moved it to the next page
    const entry = stamp("session-entry");
    entry.id = `session-${session.id}`;
    find("a", entry).href = `#${session.id}`;
    find(".name", entry).textContent = session.name;
    mark(find(".chip", entry), session.status);
    showOwner(find(".owner", entry), session.user_id, viewer);
    list.append(entry);
  }
}
