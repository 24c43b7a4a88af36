// One task: its definition, its next runs, its executions, and the actions on them.

import { ask, get, me, patch, post } from "./api.js";
import { backfillList } from "./backfills.js";
import { find, presses, showProperties, stamp, submits } from "./elements.js";
import { executionList } from "./executions.js";
import { merged, watch } from "./live.js";
import { showReports } from "./reports.js";
import { changes, fillForm, taskForm, variables } from "./task-form.js";
import { showState } from "./tasks.js";
import { formatted } from "./times.js";
import { triggerList } from "./triggers.js";

const NEXT_RUNS = 5;
const NOT_FOUND = "This task does not exist, has been deleted, or belongs to another user.";

/** Show a task in `view` until `signal` aborts. */
export async function openTask(id, view, signal) {
  const page = stamp("task-page");
  view.replaceChildren(page);
  find("h2", page).focus();
  try {
    await new TaskPage(id, page, signal).watch();
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.status === 404) find("h2", page).textContent = "Task not found";
    close(page, problem.status === 404 ? NOT_FOUND : problem.message);
  }
}

/** Show why the task cannot be used any more. */
function close(page, reason) {
  find(".main.alert", page).textContent = reason;
  find(".connection", page).textContent = "";
  find(".content", page).hidden = true;
}

class TaskPage {
  #id;
  #path;
  #page;
  #signal;
  #task = null;
  #executions;
  #update = merged(() => this.#refresh());
  #updateBackfills;
  #updateTriggers;

  constructor(id, page, signal) {
    this.#id = id;
    this.#path = `/tasks/${id}`;
    this.#page = page;
    this.#signal = signal;
    this.#executions = executionList(find(".executions", page), this.#path, signal);
    this.#updateBackfills = backfillList(find(".backfills", page), this.#path, signal);
    this.#updateTriggers = triggerList(find(".triggers", page), this.#path, signal);
    showReports(find(".task-reports > div", page), { task_id: id }, signal);
    find(".task-reports > details", page).append(find(".task-reports form", page));
    find(".task-reports .connection", page).remove(); // the title of the page says it
    presses(find(".pause", page), find(".main.alert", page), () => this.#pauseOrResume());
    submits(find(".run form", page), (fields) => this.#run(fields));
    this.#addEditForm(find(".edit", page));
  }

  /** Load the page and follow the events of the task. Throws Problem. */
  async watch() {
    const parts = [
      [/^task\.(changed|paused|resumed|schedule_advanced)$/, this.#update],
      [/^task\.backfill_/, this.#updateBackfills],
      [/^task\.trigger_/, this.#updateTriggers],
    ];
    const load = () => Promise.all([this.#executions.load(), ...parts.map(([, update]) => update())]);
    const changed = (type, id, { resource_id }) => {
      if (id !== this.#id) return;
      if (type === "task.deleted") return this.#update().catch(() => close(this.#page, "The task was deleted."));
      if (resource_id !== id) return this.#executions.update(resource_id); // an event of an execution
      return parts.find(([types]) => types.test(type))?.[1]();
    };
    await watch("task.", find(".connection", this.#page), { load, changed }, this.#signal);
  }

  async #refresh() {
    const signal = this.#signal;
    const nextRunsPath = `${this.#path}/next-runs?count=${NEXT_RUNS}`;
    const read = [get(this.#path, { signal }), get(nextRunsPath, { signal }), me()];
    const [task, nextRuns, viewer] = await Promise.all(read);
    this.#task = task;
    const foreign = task.user_id !== viewer.id; // the stream has only events of the account
    find(".foreign", this.#page).hidden = !foreign;
    find(".connection", this.#page).hidden = foreign;
    showTask(this.#page, task);
    showNextRuns(this.#page, task, nextRuns);
    find(".content", this.#page).hidden = false;
  }

  async #pauseOrResume() {
    await ask(`${this.#path}/${this.#task.is_active ? "pause" : "resume"}`, post());
    await this.#update();
  }

  async #run(fields) {
    const preview = find(".preview", this.#page);
    preview.textContent = "";
    const body = { variables: variables(fields.get("variables")) };
    if (fields.get("action") === "preview") {
      preview.textContent = (await (await ask(`${this.#path}/render`, post(body))).json()).prompt;
    } else {
      await this.#executions.update((await (await ask(`${this.#path}/execute`, post(body))).json()).execution_id);
    }
  }

  #addEditForm(details) {
    let shown = null; // only what is changed is sent, so that changes made elsewhere meanwhile are kept
    const form = taskForm(async (body) => {
      await ask(this.#path, patch(changes(body, shown)));
      await this.#update();
      details.open = false;
    });
    details.append(form);
    details.addEventListener("toggle", () => {
      if (details.open) shown = fillForm(form, this.#task);
    });
  }
}

function showTask(page, task) {
  find("h2", page).textContent = task.name;
  showState(find(".state", page), task);
  find(".pause", page).textContent = task.is_active ? "Pause" : "Resume";
  find(".prompt", page).textContent = task.prompt_template;
  showProperties(find("dl", page), properties(task));
}

function properties(task) {
  const schedule = task.is_scheduled ? `${task.schedule_cron} (${task.schedule_timezone})` : "none";
  const given = Object.keys(task.variables).length > 0;
  return [
    ["Schedule", schedule],
    ["Starts on events", task.on.join(", ")],
    ["If an execution is still active", task.overlap_policy.replace("_", " ")],
    ["Retries", task.max_retries],
    ["Timeout", task.timeout_seconds ? `${task.timeout_seconds} s` : "none"],
    ["After a failure", task.pause_on_failure ? "pause" : "continue"],
    ["Report of each execution", task.generate_report ? task.report_format : "none"],
    ["Allowed tools", (task.allowed_tools ?? []).join(", ")],
    ["Variables", given ? JSON.stringify(task.variables) : ""],
  ];
}

function showNextRuns(page, task, { items, schedule_timezone: zone }) {
  find(".no-runs", page).hidden = items.length > 0;
  find(".no-runs", page).textContent = task.is_active ? "The task has no schedule." : "The task is paused.";
  find(".next-runs", page).replaceChildren(...items.map((instant) => {
    const entry = stamp("next-run");
    find("time", entry).dateTime = instant;
    find("time", entry).textContent = `${formatted(instant, zone)} (${zone})`;
    find(".local", entry).textContent = `Local time: ${formatted(instant)}`;
    return entry;
  }));
}
