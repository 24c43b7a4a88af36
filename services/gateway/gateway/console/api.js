// The public API: tokens, requests, problems. Nothing in this module depends on the page.

const BASE = "/api/v1";
const STORAGE_KEY = "tokens"; // in localStorage: the tabs of a browser share one login
const REFRESH_TIMEOUT_MS = 30_000;
const GET_TIMEOUT_MS = 60_000; // others wait for what a page reads
const STORAGE_DELAY_MS = 500; // until a change of localStorage has reached the other tabs

let tokens = stored();
let refreshing = null;
let account = null; // a promise

/** An error response; `message` is the detail of the problem. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail ?? `The server responded with status ${status}.`);
    this.status = status;
  }
}

export const loggedIn = () => tokens !== null;

/** Log in. Throws Problem. */
export async function logIn(email, password) {
  store(await (await accepted(await send("/auth/login", post({ email, password })))).json());
}

/** Set a new password with the token of a link. This browser's login is forgotten: all of the account have ended. */
export async function resetPassword(token, password) {
  await accepted(await send("/auth/reset-password", post({ reset_token: token, new_password: password })));
  store(null);
}

/** Delete the tokens, and revoke them if the server can be reached. */
export async function logOut() {
  try {
    await ask("/auth/logout", post());
  } finally {
    store(null);
  }
}

/** Send a request, after a refresh if the access token has expired. Returns the Response; throws Problem. */
export async function ask(path, options = {}) {
  const used = tokens;
  let response = await send(path, options);
  if (response.status === 401 && used) {
    if (tokens === used) await (refreshing ??= alone(() => renew(used)).finally(() => (refreshing = null)));
    response = await send(path, options);
    if (response.status === 401) store(null);
  }
  return accepted(response);
}

/** Return the JSON of a GET request, which also ends if `signal` aborts. Throws Problem. */
export async function get(path, { signal } = {}) {
  const ended = [AbortSignal.timeout(GET_TIMEOUT_MS), ...(signal ? [signal] : [])];
  return (await ask(path, { signal: AbortSignal.any(ended) })).json();
}

/** Return the account that is logged in. Throws Problem. */
export const me = () => (account ??= get("/auth/me").catch((problem) => {
  account = null;
  throw problem;
}));

/** Return the options of a POST request with a JSON body. */
export function post(body, headers = {}) {
  if (body !== undefined) headers = { "Content-Type": "application/json", ...headers };
  return { method: "POST", headers, body: JSON.stringify(body) };
}

/** Return the options of a PATCH request with a JSON body. */
export const patch = (body) => ({ ...post(body), method: "PATCH" });

/** Run `act` in one tab at a time. Browsers have locks only for pages from HTTPS or from localhost. */
function alone(act) {
  if (!navigator.locks) return act();
  return new Promise((resolve, reject) => {
    navigator.locks.request(STORAGE_KEY, async () => {
      await act().then(resolve, reject);
      await new Promise((done) => setTimeout(done, STORAGE_DELAY_MS));
    });
  });
}

/** Refresh tokens that the API refused, unless another tab has done so meanwhile. */
async function renew(used) {
  adopt(stored());
  if (tokens?.access_token !== used.access_token) return;
  const body = post({ refresh_token: used.refresh_token });
  const response = await send("/auth/refresh", { ...body, signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS) });
  if (response.status === 401) store(null);
  store(await (await accepted(response)).json());
}

async function send(path, { headers, ...options }) {
  const bearer = tokens ? { Authorization: `Bearer ${tokens.access_token}` } : {};
  const address = path.startsWith(BASE) ? path : BASE + path; // the links of lists contain it
  try {
    return await fetch(address, { cache: "no-store", ...options, headers: { ...bearer, ...headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "Cannot reach the server. Check your connection and try again.");
  }
}

async function accepted(response) {
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem(response.status, problem.detail);
}

function stored(text = localStorage.getItem(STORAGE_KEY)) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // written by something else: the user has to log in again
  }
}

function store(newTokens) {
  if (newTokens) localStorage.setItem(STORAGE_KEY, JSON.stringify(newTokens));
  else localStorage.removeItem(STORAGE_KEY);
  adopt(newTokens);
}

function adopt(newTokens) {
  const changed = (newTokens === null) === loggedIn();
  tokens = newTokens;
  if (changed) account = null;
  if (changed) window.dispatchEvent(new Event("account"));
}

// Another tab logged in or out, or has new tokens.
window.addEventListener("storage", ({ key, newValue }) => {
  if (key === STORAGE_KEY || key === null) adopt(stored(newValue));
});
