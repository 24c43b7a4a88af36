// The MCP servers that the latest runs of the open session used.

import { get } from "./api.js";
import { find, mark, stamp } from "./elements.js";
import { merged } from "./live.js";
import { latency } from "./mcp-servers.js";
import { Table } from "./table.js";
import { showTime } from "./times.js";

const RUNS = 5; // whose servers are listed when the panel is opened
const panel = find("#run-servers");
const sheet = find(".sheet", panel);
const alert = find(":scope > [role=alert]", sheet);
let path = null; // of the runs of the session
let signal = null;
let table = null;

const refresh = merged(async (address) => {
  const opened = table;
  const run = await get(address, { signal });
  if (opened === table) for (const use of uses(run)) table.show(use);
});

/** Offer the MCP servers of a session until `aborted` aborts. They are loaded while the panel is open. */
export function openRunServers(id, aborted) {
  path = `/sessions/${id}/runs`;
  signal = aborted;
  panel.open = false;
  panel.hidden = false;
  alert.textContent = "";
}

/** Show the servers of a run that was connected to them. */
export function showRunServers(runId) {
  if (panel.open) refresh(`${path}/${runId}`).catch(() => {}); // tried again when the panel is opened
}

/** Return the servers of a run as items of the table. */
function uses({ id, created_at, mcp_servers: servers }) {
  return servers.map((server) => ({ ...server, id: `${id}/${server.reference}`, created_at }));
}

function show(row, use) {
  find("th", row).textContent = use.name ?? use.reference;
  mark(find(".chip", row), use.status);
  find(".detail", row).textContent = use.detail;
  find(".tools", row).textContent = use.tools;
  find(".withheld", row).textContent = use.withheld.length > 0 ? `withheld: ${use.withheld.join(", ")}` : "";
  find(".latency", row).textContent = latency(use.latency_ms);
  showTime(find("time", row), use.created_at);
}

panel.addEventListener("toggle", async () => {
  find("tbody", sheet).replaceChildren();
  table = new Table(sheet, { newRow: () => stamp("run-server-row"), fill: show });
  table.showAll([]);
  if (!panel.open) return;
  alert.textContent = "";
  try {
    for (const { id } of (await get(`${path}?limit=${RUNS}`, { signal })).items) showRunServers(id);
  } catch (problem) {
    if (!signal.aborted) alert.textContent = problem.message;
  }
});
