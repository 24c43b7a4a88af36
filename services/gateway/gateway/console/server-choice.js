// The MCP servers in the form that creates a session.

import { get, me } from "./api.js";
import { find, mark, stamp } from "./elements.js";
import { merged } from "./live.js";

/** Offer the enabled servers that sessions of the account may use; none is chosen. Throws Problem. */
export const offerServers = merged(async (fieldset) => {
  const viewer = await me();
  const choices = [];
  let next = "/mcp-servers?is_enabled=true";
  while (next) {
    const page = await get(next);
    // Administrators see the servers of all users, but their sessions use their own and the global ones.
    choices.push(...page.items.filter((server) => server.is_global || server.user_id === viewer.id).map(choice));
    next = page.links.next;
  }
  find("div", fieldset).replaceChildren(...choices);
  fieldset.hidden = choices.length === 0;
});

function choice(server) {
  const label = stamp("server-choice");
  find("input", label).value = server.id;
  find(".name", label).textContent = server.name;
  if (server.health !== "healthy") mark(find(".chip", label), server.health);
  return label;
}
