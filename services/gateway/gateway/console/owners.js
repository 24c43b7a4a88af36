// The names of the owners of sessions, tasks and MCP servers. Only administrators see those of other users.

import { get } from "./api.js";

const names = new Map(); // promises of usernames, by the ids of users
let loaded = null;

/** Show the owner of an item to an administrator. */
export async function showOwner(element, id, viewer) {
  element.hidden = viewer.role !== "admin";
  if (element.hidden || element.dataset.owner === id) return;
  element.dataset.owner = id;
  element.title = `Owner: ${id}`;
  element.textContent = id === viewer.id ? "you" : "…";
  if (id === viewer.id) return;
  const name = await username(id);
  if (element.dataset.owner === id) element.textContent = name;
}

/** Return the name of a user; the end of the id, since ids of the same day begin alike, if it cannot be loaded. */
async function username(id) {
  await (loaded ??= loadNames());
  if (!names.has(id)) names.set(id, get(`/admin/users/${id}`).then((user) => user.username));
  return names.get(id).catch(() => `user …${id.slice(-8)}`);
}

/** Load the newest accounts with one request; others are loaded one by one when they are shown. */
async function loadNames() {
  const page = await get("/admin/users?limit=100").catch(() => ({ items: [] }));
  for (const user of page.items) names.set(user.id, Promise.resolve(user.username));
}
