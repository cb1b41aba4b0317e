// Cells in a row, one for each run or unit: what became of it, by colour and shape and word.

import { h } from "./dom.js";
import { look } from "./state.js";

/** Cells in a row, `{ word, label, href }` each: a link, a shape and a colour. */
export function strip(label, cells, last = cells.length - 1) {
  const links = cells.map(({ word, label: says, href }, nth) => {
    const [shape, kind] = look(word);
    return h("li", null, h("a", { class: `cell ${kind}`, href, title: says, "aria-label": says, tabindex: nth === last ? "0" : "-1" }, shape));
  });
  return h("ol", { class: "heat", "aria-label": label, onkeydown: rove }, links);
}

/** The arrows, Home and End lead from link to link of a row, which is one stop of the tab key. */
export function rove(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
  if (!step) return;
  event.preventDefault();
  const links = [...event.currentTarget.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const next = links[Math.max(0, Math.min(links.length - 1, at + step))];
  for (const link of links) link.setAttribute("tabindex", link === next ? "0" : "-1");
  next?.focus();
}
