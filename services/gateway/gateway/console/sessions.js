// The list of sessions, and starting one.

import { ask, get, post } from "./api.js";
import { find, mark, stamp } from "./elements.js";

const list = find("#sessions");
const more = find("#more");
let next = null;
let viewer = null;

/** Show the first page of the list anew; an administrator `account` sees whose the sessions are. */
export async function reload(account) {
  viewer = account;
  const page = await get("/sessions?limit=25");
  list.replaceChildren();
  append(page);
}

/** Show the page that follows. */
export const showMore = async () => append(await get(next));

/** Show a session as it is now, if it is in the list. */
export function update(session) {
  const entry = document.getElementById(`session-${session.id}`);
  if (entry) mark(find(".chip", entry), session.status);
}

/** Mark the session that is open; give whether it is in the list. */
export function choose(id) {
  for (const link of list.querySelectorAll("a")) link.ariaCurrent = link.hash === `#${id}` ? "page" : null;
  return find("[aria-current]", list) !== null;
}

/** Start a session as the form says, and give its id. Throws Problem. */
export async function start(form) {
  const body = {
    name: form.get("name"),
    mode: form.get("mode"),
    sdk_options: { permission_mode: form.get("permission_mode") },
  };
  return (await (await ask("/sessions", post(body))).json()).id;
}

function append(page) {
  next = page.links.next;
  more.hidden = next === null;
  for (const session of page.items) {
    document.getElementById(`session-${session.id}`)?.remove(); // newer sessions have pushed it onto the next page
    const entry = stamp("session-entry");
    entry.id = `session-${session.id}`;
    find("a", entry).href = `#${session.id}`;
    find(".name", entry).textContent = session.name;
    mark(find(".chip", entry), session.status);
    if (viewer.role === "admin") name(find(".owner", entry), session.user_id);
    list.append(entry);
  }
}

/** Name an owner: by the end of the id, since ids that were made on the same day begin alike. */
function name(owner, id) {
  owner.textContent = id === viewer.id ? "you" : `user …${id.slice(-8)}`;
  owner.title = `Owner: ${id}`;
  owner.hidden = false;
}
