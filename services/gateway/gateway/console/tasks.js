// The list of tasks, and the form that creates one.

import { ask, me, post } from "./api.js";
import { find, mark, stamp } from "./elements.js";
import { watch } from "./live.js";
import { showOwner } from "./owners.js";
import { Table } from "./table.js";
import { taskForm } from "./task-form.js";
import { showTime } from "./times.js";

/** Show the tasks in `view` until `signal` aborts. */
export async function openTasks(view, signal) {
  const page = stamp("tasks-page");
  view.replaceChildren(page);
  find("details", page).append(taskForm((body) => create(body, signal)));
  find("h2", page).focus();
  try {
    const viewer = await me();
    await watchTable(page, viewer, signal);
  } catch (problem) {
    if (!signal.aborted) find(":scope > [role=alert]", page).textContent = problem.message;
  }
}

/** Create a task, and open its page unless the user has left this one. Throws Problem. */
async function create(body, signal) {
  const task = await (await ask("/tasks", post(body))).json();
  if (!signal.aborted) location.hash = `tasks/${task.id}`;
}

function watchTable(page, viewer, signal) {
  const fill = (row, task) => showRow(row, task, viewer);
  const table = new Table(page, { path: "/tasks", newRow: () => stamp("task-row"), fill, signal });
  const changed = (_, id) => table.update(id);
  return watch("task.", find(".connection", page), { load: () => table.load(), changed }, signal);
}

function showRow(row, task, viewer) {
  find("a", row).textContent = task.name;
  find("a", row).href = `#tasks/${task.id}`;
  showOwner(find(".owner", row), task.user_id, viewer);
  showState(find(".state", row), task);
  find(".schedule", row).textContent = task.is_scheduled ? `${task.schedule_cron} ${task.schedule_timezone}` : "";
  showTime(find(".next", row), task.next_run_at);
  mark(find(".last", row), task.last_status ?? "");
  find(".problem", row).textContent = task.last_error_code ?? "";
  showTime(find(".run", row), task.last_run_at);
}

/** Show whether a task is active or paused, and why. */
export function showState(chip, task) {
  mark(chip, task.is_active ? "active" : "paused");
  if (task.pause_reason === "failure") chip.textContent = "paused after a failure";
}
