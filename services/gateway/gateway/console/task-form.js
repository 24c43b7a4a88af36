// The form of a task's definition.

import { find, stamp, submits } from "./elements.js";

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Return an empty form, which calls `save(body)` with the definition when it is submitted. */
export function taskForm(save) {
  const form = stamp("task-form");
  form.elements.schedule_timezone.value = HERE;
  for (const zone of ["UTC", ...Intl.supportedValuesOf("timeZone")]) find("datalist", form).append(new Option(zone));
  submits(form, (fields) => save(definition(fields)));
  return form;
}

/** Write the definition of a task into the form, and return it as `save` receives it if nothing is changed. */
export function fillForm(form, task) {
  const { elements } = form;
  const texts = ["name", "prompt_template", "schedule_timezone", "overlap_policy", "max_retries", "report_format"];
  for (const name of texts) {
    elements[name].value = task[name];
  }
  elements.schedule_cron.value = (task.is_scheduled && task.schedule_cron) || "";
  elements.timeout_seconds.value = task.timeout_seconds ?? "";
  for (const name of ["pause_on_failure", "generate_report"]) elements[name].checked = task[name];
  elements.allowed_tools.value = (task.allowed_tools ?? []).join("\n");
  const given = Object.keys(task.variables).length > 0;
  elements.variables.value = given ? JSON.stringify(task.variables, null, 2) : "";
  return definition(new FormData(form));
}

/** Return the fields of a definition that differ from an earlier one. */
export function changes(body, earlier) {
  const differs = ([name, value]) => JSON.stringify(value) !== JSON.stringify(earlier[name]);
  return Object.fromEntries(Object.entries(body).filter(differs));
}

/** Return the variables in a field of a form; none if it is empty. Throws Error if they are not a JSON object. */
export function variables(text) {
  const value = text.trim() === "" ? {} : parsed(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new Error('Variables must be a JSON object, like {"date": "2026-11-26"}.');
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function definition(fields) {
  const text = (name) => fields.get(name).trim();
  const tools = text("allowed_tools").split("\n").map((tool) => tool.trim()).filter(Boolean);
  return {
    name: text("name"),
    prompt_template: fields.get("prompt_template"),
    variables: variables(fields.get("variables")),
    allowed_tools: tools.length > 0 ? tools : null,
    is_scheduled: text("schedule_cron") !== "",
    schedule_cron: text("schedule_cron") || null,
    schedule_timezone: text("schedule_timezone"),
    overlap_policy: fields.get("overlap_policy"),
    max_retries: Number(fields.get("max_retries")),
    timeout_seconds: fields.get("timeout_seconds") ? Number(fields.get("timeout_seconds")) : null,
    pause_on_failure: fields.has("pause_on_failure"),
    generate_report: fields.has("generate_report"),
    report_format: fields.get("report_format"),
  };
}
