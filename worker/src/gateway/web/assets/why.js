// Why something ran, or did not: the daemon's own sentences.

import { h, fill } from "./dom.js";
import { get } from "./api.js";
import { to } from "./router.js";

/** A text in which what stands between backticks is to be typed. */
export const words = (text) => text.split(/(\x60[^\x60\n]+\x60)/).map((part, n) => (n % 2 ? h("code", null, part.slice(1, -1)) : part));

/** What became of an instant that one asks about. */
export function ask(path, signal) {
  const input = h("input", { id: "at", placeholder: "02:00, or 2030-12-31T02:00", size: "26", autocomplete: "off", spellcheck: "false" });
  const said = h("p", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      const is = await get(`${path}/why`, { at: input.value.trim() }, signal);
      fill(said, words(is.text), is.run && [" ", h("a", { href: to("runs", is.run.id) }, `Run ${is.run.id}`)]);
    } catch (error) {
      fill(said, error.message);
    }
  };
  return [h("form", { class: "filters", onsubmit: submit },
    h("div", { class: "field" }, h("label", { for: "at" }, "Another time, on the job's clock"), input),
    h("button", { type: "submit" }, "Ask")), said];
}
