// A table or list of items, newest first. Rows are updated in place, so that the keyboard focus stays where it is.

import { get } from "./api.js";
import { find, presses } from "./elements.js";

const LIMIT = 25;

export class Table {
  #section;
  #options;
  #rows = new Map(); // by the id of the item
  #turn = 0;

  /**
   * Show items in a section. `newRow()` returns a row, and `fill(row, item)` updates it.
   * With `path`, `load` and the button "Load more" read a list by its pages until `signal` aborts; `filters()` returns
   * more of its query, like `&q=text`.
   */
  constructor(section, options) {
    this.#section = section;
    this.#options = options;
    if (!this.#more) return;
    // The position is the id of the last item, not a number, so that new items shift no page.
    const more = async () => this.#append(await this.#read(`&after=${this.#body.lastElementChild.dataset.id}`));
    presses(this.#more, find(":scope > [role=alert]", section), more);
  }

  /** Load the first page again. */
  async load() {
    const turn = ++this.#turn;
    const page = await this.#read("");
    if (turn !== this.#turn) return; // it is being loaded again, maybe with other filters
    this.#rows.clear();
    this.#body.replaceChildren();
    this.#append(page);
  }

  /** Return whether an item is shown. */
  has(id) {
    return this.#rows.has(id);
  }

  /** Show these items, and no others. */
  showAll(items) {
    const ids = new Set(items.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.remove(id);
    for (const item of items) this.show(item);
    this.#showEmpty();
  }

  /** Add an item or show its current state. An item that belongs to a page that is not loaded is ignored. */
  show(item) {
    const next = this.#successor(item);
    const complete = this.#more?.hidden ?? true;
    if (this.#rows.has(item.id) || next || complete) this.#place(item, next);
  }

  /** Remove an item, if it is shown. */
  remove(id) {
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
    this.#showEmpty();
  }

  get #body() {
    return find("tbody, ul", this.#section);
  }

  get #more() {
    return find(".more", this.#section);
  }

  #read(position) {
    const { path, signal, filters = () => "" } = this.#options;
    return get(`${path}?limit=${LIMIT}${filters()}${position}`, { signal });
  }

  #append(page) {
    for (const item of page.items) this.#place(item, null);
    this.#more.hidden = page.links.next === null;
    this.#showEmpty();
  }

  #place(item, next) {
    let row = this.#rows.get(item.id);
    if (!row) {
      row = this.#options.newRow();
      row.dataset.id = item.id;
      row.dataset.at = item.created_at;
      this.#rows.set(item.id, row);
      this.#body.insertBefore(row, next);
    }
    this.#options.fill(row, item);
    this.#showEmpty();
  }

  /** Return the first row that is older than the item, or null. */
  #successor(item) {
    const older = (row) => Date.parse(row.dataset.at) < Date.parse(item.created_at);
    return [...this.#body.children].find(older) ?? null;
  }

  #showEmpty() {
    find(".empty", this.#section).hidden = this.#rows.size > 0;
  }
}
