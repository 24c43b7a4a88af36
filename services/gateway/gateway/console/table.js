// A table with the items of a list, newest first. It is loaded a page at a time, and single items are updated.

import { get } from "./api.js";
import { find, presses, stamp } from "./elements.js";

const LIMIT = 25;

export class Table {
  #section;
  #path;
  #signal;
  #newRow;
  #fill;
  #rows = new Map(); // by the id of the item

  /** Show the items of the list at `path` in a section; `newRow()` returns a row, and `fill(row, item)` updates it. */
  constructor(section, path, { newRow, fill, signal }) {
    this.#section = section;
    this.#path = path;
    this.#newRow = newRow;
    this.#fill = fill;
    this.#signal = signal;
    // The position is the id of the last item, not a number, so that new items shift no page.
    const more = () => this.#append(`&after=${this.#body.lastElementChild.dataset.id}`);
    presses(this.#more, find(":scope > [role=alert]", section), more);
  }

  /** Load the first page again. */
  async load() {
    this.#rows.clear();
    this.#body.replaceChildren();
    await this.#append("");
  }

  /** Add an item or show its current state. An item that belongs to a page that is not loaded is ignored. */
  show(item) {
    const next = this.#successor(item);
    if (this.#rows.has(item.id) || next || this.#more.hidden) this.#place(item, next);
  }

  /** Remove an item, if it is shown. */
  remove(id) {
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
    this.#showEmpty();
  }

  get #body() {
    return find("tbody", this.#section);
  }

  get #more() {
    return find(".more", this.#section);
  }

  async #append(position) {
    const page = await get(`${this.#path}?limit=${LIMIT}${position}`, { signal: this.#signal });
    for (const item of page.items) this.#place(item, null);
    this.#more.hidden = page.links.next === null;
    this.#showEmpty();
  }

  #place(item, next) {
    let row = this.#rows.get(item.id);
    if (!row) {
      row = this.#newRow();
      row.dataset.id = item.id;
      row.dataset.at = item.created_at;
      this.#rows.set(item.id, row);
      this.#body.insertBefore(row, next);
    }
    this.#fill(row, item);
    this.#showEmpty();
  }

  /** Return the first row that is older than the item, or null. */
  #successor(item) {
    const older = (row) => Date.parse(row.dataset.at) < Date.parse(item.created_at);
    return [...this.#body.rows].find(older) ?? null;
  }

  #showEmpty() {
    find(".empty", this.#section).hidden = this.#rows.size > 0;
  }
}
