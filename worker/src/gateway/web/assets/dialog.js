// Asking before something is done. A question ends with the view that asked it.

import { h, fill, tell, complain } from "./dom.js";
import { post } from "./api.js";
import { leaving } from "./router.js";
import { words } from "./why.js";

let opened = 0;

/** Whether it was agreed to. */
export function confirm({ title, text, action, danger }) {
  const id = `dialog-${++opened}`;
  return new Promise((done) => {
    const close = (answer) => {
      dialog.close();
      dialog.remove();
      done(answer);
    };
    const form = h("form", { onsubmit: (event) => { event.preventDefault(); close(true); } },
      h("h2", { id }, title), h("p", null, text),
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: () => close(false) }, "Do nothing"),
        h("button", { type: "submit", class: danger ? "danger" : "primary" }, action)));
    const dialog = h("dialog", { "aria-labelledby": id, oncancel: (event) => { event.preventDefault(); close(false); } }, form);
    document.body.append(dialog);
    dialog.showModal();
    leaving().addEventListener("abort", () => close(false), { once: true });
  });
}

/**
 * Asks for what is written into `fields`, and carries it out with `work()`. What is said against that
 * stays in the dialog, with what was written.
 */
export function fillIn({ title, text, fields, action, work }) {
  const id = `dialog-${++opened}`;
  const said = h("p", { class: "error", role: "alert" });
  const close = () => {
    dialog.close();
    dialog.remove();
  };
  const submit = h("button", { type: "submit", class: "primary" }, action);
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    fill(said);
    try {
      const says = await work();
      close();
      if (says) tell(says);
    } catch (error) {
      fill(said, words(error.message));
    } finally {
      submit.disabled = false;
    }
  } },
  h("h2", { id }, title), h("p", null, text), fields, said,
  h("div", { class: "buttons" }, h("button", { type: "button", onclick: close }, "Do nothing"), submit));
  const dialog = h("dialog", { "aria-labelledby": id, oncancel: (event) => { event.preventDefault(); close(); } }, form);
  document.body.append(dialog);
  dialog.showModal();
  leaving().addEventListener("abort", close, { once: true });
  form.querySelector("input, textarea")?.focus();
}

/** Carries something out, with a word on how it went beside the button. */
export async function carryOut(button, path, body, done) {
  button.disabled = true;
  try {
    const answer = await post(path, body);
    const says = done(answer);
    if (says) tell(says);
  } catch (error) {
    complain(error);
  } finally {
    button.disabled = false;
  }
}
