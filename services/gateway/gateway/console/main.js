// The account and the open page. The fragment of the URL names it: a session (`#<id>`), a list (`#tasks`) or one of its
// items (`#tasks/<id>`).

import { loggedIn, logIn, logOut, me, resetPassword } from "./api.js";
import { find, stamp, submits } from "./elements.js";
import { openServer } from "./mcp-server.js";
import { openServers } from "./mcp-servers.js";
import { openPending, watchPending } from "./pending.js";
import { offerServers } from "./server-choice.js";
import { open } from "./session.js";
import { choose, start, watchSessions } from "./sessions.js";
import { openTask } from "./task.js";
import { openTasks } from "./tasks.js";
import { watchWebhooks } from "./webhooks.js";

const SESSION = /^#([0-9a-f-]{36})$/;
const PAGE = /^(#approvals|#tasks|#mcp-servers)(?:\/([0-9a-f-]{36}))?$/;
const RESET = /^#reset=(.+)$/; // the link with which an administrator lets a user set a new password
const PAGES = {
  "#approvals": { openList: openPending, openItem: (_, ...view) => openPending(...view) },
  "#tasks": { openList: openTasks, openItem: openTask },
  "#mcp-servers": { openList: openServers, openItem: openServer },
};
const view = find("#page-view");
let opened = new AbortController();
let entered = new AbortController(); // aborted at logout

/** Show the login form or, if logged in, the page that the URL names. */
async function enter() {
  const resets = resetToken() !== undefined;
  const active = loggedIn() && !resets;
  find("#reset-view").hidden = !resets;
  find("#reset-view").replaceChildren(...(resets ? [resetForm(resetToken())] : []));
  find("#login-view").hidden = active || resets;
  for (const part of ["#log-out", "#views", "#pending"]) find(part).hidden = !active;
  find("#account").textContent = "";
  find("#list ul").replaceChildren();
  entered.abort();
  entered = new AbortController();
  showPage();
  if (resets) return find("#reset-view input").focus();
  if (!active) return find("[name=email]").focus();
  await withAlert(() => follow(entered.signal));
}

/** Show the account, its sessions, pending approvals and disabled webhooks, and follow them until `signal` aborts. */
async function follow(signal) {
  const { username } = await me();
  if (signal.aborted) return;
  find("#account").textContent = username;
  await Promise.all([watchSessions(signal), watchPending(signal), watchWebhooks(signal)]);
}

/** Show the page that the URL names. */
function showPage() {
  opened.abort();
  opened = new AbortController();
  find("#menu").hidePopover();
  const active = loggedIn() && resetToken() === undefined;
  const [, name, id] = (active && PAGE.exec(location.hash)) || [];
  find("#main-view").hidden = !active || name !== undefined;
  view.hidden = name === undefined;
  view.replaceChildren();
  for (const link of document.querySelectorAll("#views a, #pending")) {
    link.ariaCurrent = link.hash === (name ?? "") ? "page" : null;
  }
  showSession();
  if (id) PAGES[name].openItem(id, view, opened.signal);
  else if (name) PAGES[name].openList(view, opened.signal);
}

function showSession() {
  const id = loggedIn() ? chosen() : undefined;
  find("#session").hidden = !id;
  find("#no-session").hidden = Boolean(id);
  find("#main-view").toggleAttribute("data-open", Boolean(id));
  for (const part of ["#transcript", "#queued"]) find(part).replaceChildren();
  choose(id);
  if (!id) return;
  open(id, opened.signal);
  if (matchMedia("(hover: hover)").matches) find("#message").focus(); // on a phone, the keyboard would cover the page
}

function resetForm(token) {
  const form = stamp("reset-password");
  submits(form, async (fields) => {
    await resetPassword(token, fields.get("password"));
    location.hash = ""; // the token has been used
  });
  return form;
}

const resetToken = () => RESET.exec(location.hash)?.[1];
const chosen = () => SESSION.exec(location.hash)?.[1];

async function withAlert(act) {
  const alert = find("#list > [role=alert]");
  alert.textContent = "";
  try {
    await act();
  } catch (problem) {
    alert.textContent = problem.message;
  }
}

submits(find("#log-in"), async (fields) => {
  await logIn(fields.get("email"), fields.get("password"));
  find("#log-in").reset();
});
submits(find("#start"), async (fields) => {
  const id = await start(fields);
  find("#start").reset();
  find("#list details").open = false;
  location.hash = id;
});
find("#list details").addEventListener("toggle", ({ target }) => {
  if (target.open) withAlert(() => offerServers(find("#start fieldset")));
});
find("#log-out").addEventListener("click", async () => {
  await logOut().catch(() => {}); // the tokens are deleted here in any case
  location.hash = "";
});
window.addEventListener("account", enter);
window.addEventListener("hashchange", ({ oldURL }) => {
  if (RESET.test(location.hash) || RESET.test(new URL(oldURL).hash)) return enter();
  showPage();
});
document.addEventListener("keydown", ({ key }) => {
  const panel = key === "Escape" && find("details[name=panel][open]");
  if (!panel) return;
  panel.open = false;
  find("summary", panel).focus();
});
enter();
