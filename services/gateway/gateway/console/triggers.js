// The triggers of a task, and the form that creates one.

import { ask, get, post } from "./api.js";
import { find, presses, stamp, submits } from "./elements.js";
import { merged } from "./live.js";
import { Table } from "./table.js";
import { showTime } from "./times.js";

const CONFIRMATION = "Revoke this trigger? Its URL will not start the task any more.";

/** Show the triggers of the task at `path` in a section; returns a function that updates them. */
export function triggerList(section, path, signal) {
  const update = merged(async () => table.showAll((await get(`${path}/triggers`, { signal })).items));
  const alert = find(":scope > [role=alert]", section);
  const newRow = () => {
    const row = stamp("trigger-row");
    presses(find(".rotate", row), alert, async () => {
      showSecret(section, await send(`${path}/triggers/${row.dataset.id}/rotate`));
    });
    presses(find(".revoke", row), alert, async () => {
      if (!confirm(CONFIRMATION)) return;
      await ask(`${path}/triggers/${row.dataset.id}`, { method: "DELETE" });
      find(".secret", section).textContent = "";
      await update();
    });
    return row;
  };
  const table = new Table(section, { newRow, fill: show });
  submits(find("form", section), async (fields) => {
    showSecret(section, await send(`${path}/triggers`, { name: fields.get("name") }));
    find("form", section).reset();
    await update();
  });
  return update;
}

const send = async (path, body) => (await ask(path, post(body))).json();

function showSecret(section, { name, secret }) {
  find(".secret", section).textContent = `Secret of ${name || "the trigger"}, shown only now: ${secret}`;
}

function show(row, trigger) {
  find("th", row).textContent = trigger.name;
  find("code", row).textContent = trigger.url;
  showTime(find("time", row), trigger.last_fired_at);
}
