// Helpers for page elements. Text from the server is assigned to textContent: it is never markup. The only exception is
// Markdown of agents (markdown.js).

const WORDS = { waiting_approval: "waiting for approval" }; // of statuses that are not their own words

export const find = (selector, root = document) => root.querySelector(selector);

/** Return a copy of the single element of a template. */
export const stamp = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Return a new element with these properties. */
export const create = (name, properties) => Object.assign(document.createElement(name), properties);

/** Show a status as words and a colour. */
export function mark(chip, status) {
  chip.textContent = WORDS[status] ?? status.replaceAll("_", " ");
  chip.dataset.is = status;
}

/** Show pairs of name and value in a `<dl>`, without those whose value is empty. */
export function showProperties(list, properties) {
  const shown = properties.filter(([, value]) => value !== "");
  list.replaceChildren(...shown.flatMap(([name, value]) => [
    create("dt", { textContent: name }), create("dd", { textContent: value }),
  ]));
}

/** Hide buttons of a row, by their names. If the focus was on one of them, the row receives it: else the page would. */
export function hideButtons(row, hidden) {
  const focused = document.activeElement;
  for (const [name, isHidden] of Object.entries(hidden)) find(`.${name}`, row).hidden = isHidden;
  if (row.contains(focused) && focused.hidden) row.focus();
}

/** Show whether the stream of events is connected. */
export function showConnection(label, event) {
  label.dataset.is = event === "lost" ? "lost" : "live";
  label.textContent = event === "lost" ? "Reconnecting …" : "live";
}

/** Call `act` when a form is submitted, one call at a time, and show errors in the alert of the form. */
export function submits(form, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    once(form, find("[role=alert]", form), () => act(new FormData(form, event.submitter)));
  });
}

/** Call `act` when a button is pressed, one call at a time, and show errors in `alert`. */
export function presses(button, alert, act) {
  button.addEventListener("click", () => once(button, alert, act));
}

/** Call `act` unless `element` is still busy with an earlier call. */
async function once(element, alert, act) {
  if (element.ariaBusy === "true") return;
  element.ariaBusy = "true";
  alert.textContent = "";
  try {
    await act();
  } catch (problem) {
    alert.textContent = problem.message;
  }
  element.ariaBusy = "false";
}
