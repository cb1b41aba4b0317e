// The fields above a list, by which it is filtered.

import { h } from "./dom.js";

export const field = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);

/** A field for a text; the slash leads to the one that is `first`. */
export const search = (id, value, { first, ...others } = {}) =>
  h("input", { id, type: "search", "data-filter": first, value: value ?? "", spellcheck: "false", autocomplete: "off", ...others });

/** `any` and all `choices`: what each stands for, and its name. */
export function choice(id, any, choices, chosen) {
  const options = [any, ...choices].map(([value, name]) => h("option", { value }, name));
  const select = h("select", { id }, options);
  // An address may ask for what there is none of.
  if (chosen && !choices.some(([value]) => value === chosen)) select.append(h("option", { value: chosen }, chosen));
  if (chosen) select.value = chosen;
  return select;
}

const PAUSE = 200;

/** Work done once somebody has written what is wanted, unless they have gone on to another view. */
export function written(inputs, work, signal) {
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => work(), PAUSE);
  };
  for (const input of inputs) input.addEventListener("input", later);
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}

/** They make one form. */
export const filters = (...fields) => h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() }, fields);
