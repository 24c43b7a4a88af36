// The page's elements. What comes from the server goes into textContent alone: it is never markup.

export const find = (selector, root = document) => root.querySelector(selector);

/** Give a copy of the one element of a template. */
export const stamp = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Show a status, as a word and as a colour. */
export function mark(chip, status) {
  chip.textContent = status.replace("_", " ");
  chip.dataset.is = status;
}

/** Do what a form asks for, once at a time, and say in its alert what went wrong. */
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
