// The webhooks that were disabled although nobody requested it, in a line above every page.

import { get, me } from "./api.js";
import { find } from "./elements.js";
import { merged, watch } from "./live.js";

const REASONS = {
  gone: "its receiver answered 410",
  failing: "no request has succeeded for days",
  backlog_full: "too many deliveries wait",
  owner_disabled: "the account was disabled",
  not_permitted: "only administrators may have it",
};
const notice = find("#webhooks");

/** Show which webhooks of the account are disabled, and why, until `signal` aborts. Throws Problem. */
export async function watchWebhooks(signal) {
  signal.addEventListener("abort", () => { show([]); }, { once: true });
  const { id } = await me();
  const update = merged(async () => show((await get(`/webhooks?is_active=false&user_id=${id}`, { signal })).items));
  await watch("webhook.", null, { load: update, changed: () => update() }, signal);
}

function show(webhooks) {
  const disabled = webhooks.filter(({ disabled_reason }) => disabled_reason in REASONS);
  const lines = disabled.map(({ url, disabled_reason }) => `The webhook to ${url} is disabled: ${REASONS[disabled_reason]}.`);
  notice.textContent = lines.join(" ");
  notice.hidden = lines.length === 0;
}
