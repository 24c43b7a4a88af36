// The text of a message while it is being streamed.

import { showMarkdown } from "./markdown.js";

const MAX_SHARE = 10; // at most one part in ten of the time is used for rendering

export class LiveText {
  #element;
  #text = "";
  #plain = false;
  #next = 0; // the earliest time of the next rendering
  #timer = null;

  /** Show pieces of Markdown in an element as they arrive. */
  constructor(element) {
    this.#element = element;
  }

  /** Append a piece; it is shown with the next frame, or later if rendering takes long. */
  append(piece) {
    this.#text += piece;
    if (this.#plain) this.#element.append(piece);
    else this.#timer ??= setTimeout(() => requestAnimationFrame(() => this.#render()), this.#next - performance.now());
  }

  /** Show all pieces now; no more are expected. */
  finish() {
    if (!this.#plain) this.#render();
  }

  #render() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const started = performance.now();
    this.#plain = !showMarkdown(this.#element, this.#text); // plain text only grows: it is appended from now on
    this.#next = performance.now() + MAX_SHARE * (performance.now() - started);
  }
}
