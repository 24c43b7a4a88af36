// Who is here, and what they look at: the address' fragment is the id of the open session.

import { get, loggedIn, logIn, logOut } from "./api.js";
import { find, submits } from "./elements.js";
import { open } from "./session.js";
import { choose, reload, showMore, start } from "./sessions.js";

const ID = /^#([0-9a-f-]{36})$/;
let opened = new AbortController();
let account = null;

/** Show the door, or the inside. */
async function enter() {
  const inside = loggedIn();
  find("#door").hidden = inside;
  for (const part of ["#inside", "#log-out"]) find(part).hidden = !inside;
  account = null;
  find("#who").textContent = "";
  find("#sessions").replaceChildren();
  look();
  if (!inside) return find("[name=email]").focus();
  await tried(async () => {
    await list();
  });
}

async function list() {
  account ??= await get("/auth/me");
  find("#who").textContent = account.username;
  await reload(account);
  choose(chosen());
}

/** Show the session that the address names. */
function look() {
  opened.abort();
  opened = new AbortController();
  const id = loggedIn() ? chosen() : undefined;
  find("#session").hidden = !id;
  find("#nothing").hidden = Boolean(id);
  find("#inside").toggleAttribute("data-open", Boolean(id));
  for (const part of ["#transcript", "#queued"]) find(part).replaceChildren();
  choose(id);
  if (!id) return;
  open(id, opened.signal);
  find("#message").focus();
}

const chosen = () => ID.exec(location.hash)?.[1];

async function tried(act) {
  const alert = find("#sessions-error");
  alert.textContent = "";
  try {
    await act();
  } catch (problem) {
    alert.textContent = problem.message;
  }
}

submits(find("#log-in"), async (given) => {
  await logIn(given.get("email"), given.get("password"));
  find("#log-in").reset();
});
submits(find("#start"), async (given) => {
  const id = await start(given);
  find("#start").reset();
  find("nav details").open = false;
  location.hash = id;
});
find("#log-out").addEventListener("click", async () => {
  await logOut().catch(() => {}); // forgotten here in any case
  location.hash = "";
});
find("#more").addEventListener("click", () => tried(showMore));
window.addEventListener("account", enter);
window.addEventListener("hashchange", () => {
  look();
  if (loggedIn() && !choose(chosen())) tried(list); // nothing is open, or what is open is new
});
enter();
