// The reports about the open session: the form that requests one, and the newest ones with their progress.

import { ask, get, post } from "./api.js";
import { save } from "./downloads.js";
import { find, hideButtons, mark, presses, stamp, submits } from "./elements.js";
import { refreshed, watch } from "./live.js";
import { Table } from "./table.js";
import { showTime } from "./times.js";

const SHOWN = 25;
const PARTS = ["include_messages", "include_tool_calls", "include_metrics"];
const CONFIRMATION = "Delete this report? Its file and its links are deleted too.";
const panel = find("#reports");
const form = find("form", panel);
const alert = find(":scope > [role=alert]", panel);
let session = null;
let opened = new AbortController();

/** Offer the reports of a session until `signal` aborts. They are loaded and followed while the panel is open. */
export function openReports(id, signal) {
  session = id;
  panel.open = false;
  panel.hidden = false;
  for (const part of panel.querySelectorAll("[role=alert], [role=status]")) part.textContent = "";
  signal.addEventListener("abort", () => opened.abort(), { once: true });
}

/** Follow the reports of a session: events name what has changed, and the report is loaded again. */
async function followReports(id, signal) {
  find("tbody", panel).replaceChildren();
  const table = new Table(panel, { newRow, fill: show });
  const update = refreshed(table, async (reportId) => {
    const report = await get(`/reports/${reportId}`, { signal });
    return report.session_id === id ? report : null;
  });
  const load = async () => table.showAll((await get(`/reports?session_id=${id}&limit=${SHOWN}`, { signal })).items);
  const changed = (_, reportId) => update(reportId);
  try {
    await watch("report.*", find(".connection", panel), { load, changed }, signal);
  } catch (problem) {
    if (!signal.aborted) alert.textContent = problem.message;
  }
}

function newRow() {
  const row = stamp("report-row");
  const path = () => `/reports/${row.dataset.id}`;
  presses(find(".download", row), alert, async () => save(await ask(`${path()}/download`)));
  presses(find(".delete", row), alert, async () => {
    if (confirm(CONFIRMATION)) await ask(path(), { method: "DELETE" });
  });
  return row;
}

function show(row, report) {
  const { status } = report;
  if (row.dataset.status && row.dataset.status !== status) announce(report);
  row.dataset.status = status;
  find("th", row).textContent = report.title || report.format;
  find(".format", row).textContent = report.format;
  mark(find(".chip", row), status);
  const working = !["completed", "failed"].includes(status);
  find("progress", row).hidden = find(".step", row).hidden = !working;
  find("progress", row).value = report.progress_percent;
  find(".step", row).textContent = `${report.progress_percent} %, ${report.progress_step}`;
  find(".detail", row).textContent = report.error_code ? `${report.error_code}: ${report.error_detail}` : "";
  find(".notes", row).textContent = report.notes.join(" ");
  find(".size", row).textContent = report.file_size_bytes === null ? "" : size(report.file_size_bytes);
  showTime(find("time", row), report.created_at);
  hideButtons(row, { download: status !== "completed" });
}

function announce({ title, format, status }) {
  find(".announcement", panel).textContent = `Report ${title || format}: ${status}`;
}

const size = (bytes) => (bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

panel.addEventListener("toggle", () => {
  opened.abort();
  opened = new AbortController();
  if (panel.open) followReports(session, opened.signal);
});

submits(form, async (fields) => {
  const parts = Object.fromEntries(PARTS.map((part) => [part, fields.has(part)]));
  const title = fields.get("title").trim();
  const body = { session_id: session, format: fields.get("format"), ...parts, ...(title && { title }) };
  await ask("/reports", post(body, { Prefer: "respond-async" })); // its events show it in the table
});
