// The latest backfills of a task, and the form that starts one.

import { ask, get, post } from "./api.js";
import { find, hideButtons, mark, presses, stamp, submits } from "./elements.js";
import { merged } from "./live.js";
import { Table } from "./table.js";
import { showTime } from "./times.js";

const SHOWN = 10;

/** Show the backfills of the task at `path` in a section; returns a function that updates them. */
export function backfillList(section, path, signal) {
  const update = merged(async () => table.showAll((await get(`${path}/backfills?limit=${SHOWN}`, { signal })).items));
  const newRow = () => {
    const row = stamp("backfill-row");
    presses(find(".cancel", row), find(":scope > [role=alert]", section), async () => {
      await ask(`${path}/backfills/${row.dataset.id}/cancel`, post());
      await update();
    });
    return row;
  };
  const table = new Table(section, { newRow, fill: show });
  submits(find("form", section), async (fields) => {
    const [from, to] = ["from", "to"].map((name) => new Date(fields.get(name)).toISOString());
    await ask(`${path}/backfill`, post({ from, to, rerun: fields.has("rerun") }));
    find("details", section).open = false;
    await update();
  });
  return update;
}

function show(row, backfill) {
  mark(find(".chip", row), backfill.status);
  showTime(find(".from", row), backfill.from);
  showTime(find(".to", row), backfill.to);
  find(".done", row).textContent = `${backfill.done} of ${backfill.total}`;
  hideButtons(row, { cancel: backfill.status !== "running" });
}
