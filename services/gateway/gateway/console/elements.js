// Helpers for page elements. Text from the server is only ever assigned to textContent: it is never markup.

export const find = (selector, root = document) => root.querySelector(selector);

/** Return a copy of the single element of a template. */
export const stamp = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Show a status as a word and a colour. */
export function mark(chip, status) {
  chip.textContent = status.replace("_", " ");
  chip.dataset.is = status;
}

/** Call `act` when a form is submitted, one call at a time, and show errors in the alert of the form. */
export function submits(form, act) {
  const alert = find("[role=alert]", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    alert.textContent = "";
    try {
      await act(new FormData(form, event.submitter));
    } catch (problem) {
      alert.textContent = problem.message;
    }
    form.ariaBusy = "false";
  });
}
