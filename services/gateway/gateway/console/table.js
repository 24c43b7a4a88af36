// A table or list of items, newest first. Rows are updated in place, so that the keyboard focus stays where it is.

import { get } from "./api.js";
import { find, presses } from "./elements.js";
import { queued } from "./live.js";

const LIMIT = 25;

export class Table {
  #section;
  #options;
  #rows = new Map(); // by the id of the item

  queue = queued(); // of what reads items, and of changes that a response might undo

  /**
   * Show items in a section. `newRow()` returns a row, and `fill(row, item)` updates it.
   * With `path`, `load` and the button "Load more" read a list by its pages, and `update` an item, until `signal`
   * aborts; `filters()` returns more of the query, like `&q=text`, and `belongs(item)` whether it would find an item.
   */
  constructor(section, options) {
    this.#section = section;
    this.#options = options;
    if (!this.#more) return;
    // The position is the id of the last item, not a number, so that new items shift no page.
    const more = async () => this.#add(await this.#read(`&after=${this.#body.lastElementChild.dataset.id}`));
    presses(this.#more, find(":scope > [role=alert]", section), () => this.queue("more", more));
  }

  /** Load the first page again. */
  load() {
    return this.queue("first page", async () => this.showAll(await this.#read("")));
  }

  /** Read an item, and show its current state; remove it if it is not found. */
  update(id) {
    const { path, signal } = this.#options;
    return this.queue(id, async () => {
      const item = await get(`${path}/${id}`, { signal }).catch((problem) => {
        if (problem.status !== 404) throw problem;
        this.remove(id);
      });
      if (item) this.show(item);
    });
  }

  /** Return whether an item is shown. */
  has(id) {
    return this.#rows.has(id);
  }

  /** Show these items, and no others. */
  showAll(items) {
    const ids = new Set(items.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.remove(id);
    this.#add(items);
  }

  /** Add an item or show its current state. An item that belongs to no page that is loaded is ignored. */
  show(item) {
    const { belongs = () => true } = this.#options;
    const next = this.#successor(item);
    const complete = this.#more?.hidden ?? true;
    if (this.#rows.has(item.id) || (belongs(item) && (next || complete))) this.#place(item, next);
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

  /** Return the items of a page, and show whether there are more. */
  async #read(position) {
    const { path, signal, filters = () => "" } = this.#options;
    const { items, links } = await get(`${path}?limit=${LIMIT}${filters()}${position}`, { signal });
    if (this.#more) this.#more.hidden = links.next === null;
    return items;
  }

  #add(items) {
    for (const item of items) this.#place(item, this.#successor(item));
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
