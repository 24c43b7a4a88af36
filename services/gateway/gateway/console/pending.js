// The approvals that wait for a decision, of all sessions: their number in the header, and their list.

import { get, me } from "./api.js";
import { find, stamp } from "./elements.js";
import { queued, watch } from "./live.js";
import { showOwner } from "./owners.js";
import { Table } from "./table.js";
import { showAge } from "./times.js";
import { title } from "./tool-input.js";

const REFRESH_MS = 60_000; // for administrators, who receive no events of other users
const FEW = 20; // pending approvals below which the rest is loaded, if there are more
const link = find("#pending");
const badge = find(".count", link);
const changes = new EventTarget();
let pending = new Map(); // by id
let more = false; // than one page

/** Count the pending approvals, and follow them, until `signal` aborts. Throws Problem. */
export async function watchPending(signal) {
  replace({ items: [], links: { next: null } });
  const queue = queued();
  const load = () => queue("all", async () => replace(await get("/approvals?status=pending", { signal })));
  const changed = (type, sessionId, data) => queue(data, () => {
    if (type === "session.approval_requested") {
      pending.set(data.approval_id, { ...data, id: data.approval_id, session_id: sessionId, created_at: data.time });
    } else if (type === "session.approval_decided") {
      pending.delete(data.approval_id);
    } else if (type === "session.deleted") {
      for (const { id, session_id } of pending.values()) if (session_id === sessionId) pending.delete(id);
    } else return;
    show();
    if (more && pending.size < FEW) load().catch(() => {}); // the next event tries it again
  });
  if ((await me()).role === "admin") {
    const timer = setInterval(() => document.hidden || load().catch(() => {}), REFRESH_MS);
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }
  await watch("session.", null, { load, changed }, signal);
}

/** Show the list of pending approvals in `view` until `signal` aborts. */
export async function openPending(view, signal) {
  const page = stamp("approvals-page");
  view.replaceChildren(page);
  find("h2", page).focus();
  try {
    const viewer = await me();
    find(".foreign", page).hidden = viewer.role !== "admin";
    const fill = (row, approval) => showRow(row, approval, viewer, signal);
    const table = new Table(page, { newRow: () => stamp("approval-row"), fill });
    const update = () => table.showAll([...pending.values()]);
    changes.addEventListener("change", update, { signal });
    update();
  } catch (problem) {
    if (!signal.aborted) find(":scope > [role=alert]", page).textContent = problem.message;
  }
}

function replace(page) {
  pending = new Map(page.items.map((approval) => [approval.id, approval]));
  more = page.links.next !== null;
  show();
}

function show() {
  badge.hidden = pending.size === 0;
  find(".number", badge).textContent = `${pending.size}${more ? "+" : ""}`;
  changes.dispatchEvent(new Event("change"));
}

function showRow(row, approval, viewer, signal) {
  if (find("a", row).hash) return; // a pending approval does not change
  find("a", row).href = `#${approval.session_id}`;
  find(".tool-name", row).textContent = approval.tool_name;
  find(".gist", row).textContent = approval.kind === "elicitation"
    ? approval.tool_input.message : title(approval.tool_input);
  showAge(find(".since", row), approval.created_at);
  showAge(find(".until", row), approval.expires_at);
  get(`/sessions/${approval.session_id}`, { signal }).then((session) => {
    find("a", row).textContent = session.name;
    showOwner(find(".owner", row), session.user_id, viewer);
  }).catch(() => {}); // the link is there without the name
}
