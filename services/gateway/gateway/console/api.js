// The public API: tokens, requests, problems. Nothing here knows of the page.

const BASE = "/api/v1";
const KEPT = "tokens"; // of localStorage: shared by the tabs of a browser, until someone logs out in one of them
const REFRESH_TIMEOUT = 30_000;
const SPREAD = 500; // what is kept reaches the other tabs a little later

let tokens = stored();
let refreshing = null;

/** What came instead of an answer; `message` is the problem's detail. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail ?? `The server answered ${status}.`);
    this.status = status;
  }
}

export const loggedIn = () => tokens !== null;

/** Trade an e-mail address and a password for tokens. Throws Problem. */
export async function logIn(email, password) {
  keep(await (await accepted(await send("/auth/login", post({ email, password })))).json());
}

/** Forget the tokens, and have the server end them if it can be reached. */
export async function logOut() {
  try {
    await ask("/auth/logout", post());
  } finally {
    keep(null);
  }
}

/** Ask the API, with new tokens when the old ones have run out. Gives the Response; throws Problem. */
export async function ask(path, options = {}) {
  const used = tokens;
  let response = await send(path, options);
  if (response.status === 401 && used) {
    if (tokens === used) await (refreshing ??= alone(() => renew(used)).finally(() => (refreshing = null)));
    response = await send(path, options);
    if (response.status === 401) keep(null);
  }
  return accepted(response);
}

/** Ask the API for JSON. */
export const get = async (path, options) => (await ask(path, options)).json();

/** Give what makes a request a POST of JSON. */
export function post(body, headers = {}) {
  if (body !== undefined) headers = { "Content-Type": "application/json", ...headers };
  return { method: "POST", headers, body: JSON.stringify(body) };
}

/** Run `act` in one tab at a time. Browsers have locks only for pages from HTTPS or from this machine. */
function alone(act) {
  if (!navigator.locks) return act();
  return new Promise((resolve, reject) => {
    navigator.locks.request(KEPT, async () => {
      await act().then(resolve, reject);
      await new Promise((spread) => setTimeout(spread, SPREAD));
    });
  });
}

/** Replace tokens that the API no longer takes, unless another tab has done so meanwhile. */
async function renew(used) {
  adopt(stored());
  if (tokens?.access_token !== used.access_token) return;
  const body = post({ refresh_token: used.refresh_token });
  const response = await send("/auth/refresh", { ...body, signal: AbortSignal.timeout(REFRESH_TIMEOUT) });
  if (response.status === 401) keep(null);
  keep(await (await accepted(response)).json());
}

async function send(path, { headers, ...options }) {
  const bearer = tokens ? { Authorization: `Bearer ${tokens.access_token}` } : {};
  const address = path.startsWith(BASE) ? path : BASE + path; // the links of lists are whole
  try {
    return await fetch(address, { cache: "no-store", ...options, headers: { ...bearer, ...headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server cannot be reached.");
  }
}

async function accepted(response) {
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem(response.status, problem.detail);
}

function stored(text = localStorage.getItem(KEPT)) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // not ours: whoever wrote it has to log in again
  }
}

function keep(given) {
  if (given) localStorage.setItem(KEPT, JSON.stringify(given));
  else localStorage.removeItem(KEPT);
  adopt(given);
}

function adopt(given) {
  const changed = (given === null) === loggedIn();
  tokens = given;
  if (changed) window.dispatchEvent(new Event("account"));
}

// Another tab logged in or out, or has new tokens.
window.addEventListener("storage", ({ key, newValue }) => {
  if (key === KEPT || key === null) adopt(stored(newValue));
});
