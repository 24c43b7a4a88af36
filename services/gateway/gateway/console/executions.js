// The executions of a task.

import { ask, post } from "./api.js";
import { save } from "./downloads.js";
import { find, hideButtons, mark, presses, stamp } from "./elements.js";
import { Table } from "./table.js";
import { duration, formatted, showTime } from "./times.js";

const ACTIVE = ["pending", "running"];

/** Show the executions of the task at `path` in a section; returns their table. */
export function executionList(section, path, signal) {
  const alert = find(":scope > [role=alert]", section);
  const newRow = () => {
    const row = stamp("execution-row");
    const act = async (name) => (await ask(`${path}/executions/${row.dataset.id}/${name}`, post())).json();
    presses(find(".report", row), alert, async () => save(await ask(`/reports/${row.dataset.report}/download`)));
    presses(find(".cancel", row), alert, async () => table.update((await act("cancel")).id));
    presses(find(".retry", row), alert, async () => table.update((await act("retry")).execution_id));
    return row;
  };
  const fill = (row, execution) => show(row, execution, find(".announcement", section));
  const table = new Table(section, { path: `${path}/executions`, newRow, fill, signal });
  return table;
}

function show(row, execution, announcement) {
  const { status } = execution;
  if (row.dataset.status && row.dataset.status !== status) announcement.textContent = `Execution ${status}`;
  row.dataset.status = status;
  mark(find(".chip", row), status);
  find(".detail", row).textContent = detail(execution);
  find(".trigger", row).textContent = trigger(execution);
  showTime(find("time", row), execution.started_at ?? execution.created_at);
  find(".duration", row).textContent = duration(execution.duration_ms);
  find(".cost", row).textContent = `$${execution.usage.cost_usd.toFixed(4)}`;
  find("a", row).href = `#${execution.session_id}`;
  find("a", row).hidden = execution.session_id === null;
  const active = ACTIVE.includes(status);
  const { report_id: report, report_format: format } = execution;
  row.dataset.report = report ?? "";
  find(".report", row).textContent = `Report (${format ?? ""})`;
  find(".report", row).title = "Download the report of this execution";
  hideButtons(row, { report: !report || active, cancel: !active, retry: active || status === "completed" });
}

/** Return why an execution did not succeed, or when it is tried again. */
function detail({ attempt, error_code, error_detail, next_attempt_at }) {
  const problem = error_code ? [`${error_code}: ${error_detail}`] : [];
  if (next_attempt_at) problem.push(`Next attempt: ${formatted(next_attempt_at)}.`);
  if (attempt > 1) problem.push(`Attempt ${attempt}.`);
  return problem.join(" ");
}

function trigger({ trigger: name, scheduled_for }) {
  return scheduled_for ? `${name}, for ${formatted(scheduled_for)}` : name;
}
