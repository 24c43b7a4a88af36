// The reports about a session or a task: the form that requests one, and the newest ones with their progress.

import { ask, post } from "./api.js";
import { save } from "./downloads.js";
import { find, hideButtons, mark, presses, stamp, submits } from "./elements.js";
import { watch } from "./live.js";
import { Table } from "./table.js";
import { showTime } from "./times.js";

const PARTS = ["include_messages", "include_tool_calls", "include_metrics"];
const CONFIRMATION = "Delete this report? Its file and its links are deleted too.";
const panel = find("#reports");
let session = null;
let opened = new AbortController();

/** Offer the reports of a session until `signal` aborts. They are loaded and followed while the panel is open. */
export function openReports(id, signal) {
  session = id;
  panel.open = false;
  panel.hidden = false;
  signal.addEventListener("abort", () => opened.abort(), { once: true });
}

/**
 * Show the reports about a subject, like {session_id} or {task_id}, in an element, and follow them until `signal`
 * aborts: events name what has changed, and the report is loaded again.
 */
export async function showReports(element, subject, signal) {
  const part = stamp("reports-part");
  element.replaceChildren(part);
  const alert = find(":scope > [role=alert]", part);
  submits(find("form", part), (fields) => request(subject, fields));
  const fill = (row, report) => show(row, report, find(".announcement", part));
  const [[name, id]] = Object.entries(subject);
  const list = { path: "/reports", filters: () => `&${name}=${id}`, belongs: (report) => report[name] === id };
  const table = new Table(part, { ...list, newRow: () => newRow(alert), fill, signal });
  const changed = (_, reportId) => table.update(reportId);
  try {
    await watch("report.", find(".connection", part), { load: () => table.load(), changed }, signal);
  } catch (problem) {
    if (!signal.aborted) alert.textContent = problem.message;
  }
}

/** Request a report; its events show it in the table. Throws Problem. */
async function request(subject, fields) {
  const parts = Object.fromEntries(PARTS.map((part) => [part, fields.has(part)]));
  const title = fields.get("title").trim();
  const kind = subject.task_id ? { report_type: "task" } : {};
  const body = { ...kind, ...subject, format: fields.get("format"), ...parts, ...(title && { title }) };
  await ask("/reports", post(body, { Prefer: "respond-async" }));
}

function newRow(alert) {
  const row = stamp("report-row");
  const path = () => `/reports/${row.dataset.id}`;
  presses(find(".download", row), alert, async () => save(await ask(`${path()}/download`)));
  presses(find(".delete", row), alert, async () => {
    if (confirm(CONFIRMATION)) await ask(path(), { method: "DELETE" });
  });
  return row;
}

function show(row, report, announcement) {
  const { status } = report;
  if (row.dataset.status && row.dataset.status !== status) announce(report, announcement);
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

function announce({ title, format, status }, announcement) {
  announcement.textContent = `Report ${title || format}: ${status}`;
}

const size = (bytes) => (bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

panel.addEventListener("toggle", () => {
  opened.abort();
  opened = new AbortController();
  if (panel.open) showReports(find(".sheet", panel), { session_id: session }, opened.signal);
});
