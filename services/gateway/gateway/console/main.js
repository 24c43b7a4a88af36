// The account and the open session: the fragment of the URL is the id of the session.

import { get, loggedIn, logIn, logOut } from "./api.js";
import { find, submits } from "./elements.js";
import { open } from "./session.js";
import { choose, reload, showMore, start } from "./sessions.js";

const ID = /^#([0-9a-f-]{36})$/;
let opened = new AbortController();
let account = null;

/** Show the login form or, if logged in, the sessions. */
async function enter() {
  const active = loggedIn();
  find("#login-view").hidden = active;
  for (const part of ["#main-view", "#log-out"]) find(part).hidden = !active;
  account = null;
  find("#account").textContent = "";
  find("#sessions").replaceChildren();
  showSession();
  if (!active) return find("[name=email]").focus();
  await withAlert(async () => {
    await list();
  });
}

async function list() {
  account ??= await get("/auth/me");
  find("#account").textContent = account.username;
  await reload(account);
  choose(chosen());
}

/** Show the session that the URL names. */
function showSession() {
  opened.abort();
  opened = new AbortController();
  const id = loggedIn() ? chosen() : undefined;
  find("#session").hidden = !id;
  find("#no-session").hidden = Boolean(id);
  find("#main-view").toggleAttribute("data-open", Boolean(id));
  for (const part of ["#transcript", "#queued"]) find(part).replaceChildren();
  choose(id);
  if (!id) return;
  open(id, opened.signal);
  find("#message").focus();
}

const chosen = () => ID.exec(location.hash)?.[1];

async function withAlert(act) {
  const alert = find("#sessions-error");
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
  find("nav details").open = false;
  location.hash = id;
});
find("#log-out").addEventListener("click", async () => {
  await logOut().catch(() => {}); // the tokens are deleted here in any case
  location.hash = "";
});
find("#more").addEventListener("click", () => withAlert(showMore));
window.addEventListener("account", enter);
window.addEventListener("hashchange", () => {
  showSession();
  if (loggedIn() && !choose(chosen())) withAlert(list); // no session is open, or a new one that is not in the list yet
});
enter();
