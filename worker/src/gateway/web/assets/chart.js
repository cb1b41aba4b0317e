// Pictures of numbers: what comes due, what became of runs. Each has its words beside it or in its
// parts, so that none has to be seen.

import { h, svg } from "./dom.js";
import { clock } from "./time.js";
import { look } from "./state.js";

/** Due instants of the coming day, a bar for each span of time. */
export function timeline({ from, until, step, spans }) {
  const [begin, end] = [new Date(from) / 1000, new Date(until) / 1000];
  const [wide, tall] = [960, 96];
  const most = Math.max(1, ...spans.map((span) => span.count));
  const x = (at) => ((at - begin) / (end - begin)) * wide;
  const bars = spans.map(({ at, count, jobs }) => {
    // A single one is to be seen beside thousands.
    const height = 8 + (count / most) * (tall - 12);
    const left = x(Math.max(begin, new Date(at) / 1000));
    const width = Math.max(1.5, x(Math.min(end, new Date(at) / 1000 + step)) - left - 1.5);
    const more = count > jobs.length ? ", …" : "";
    return svg("rect", { class: "bar", x: left, width, y: tall - height, height, rx: 1 }, svg("title", null, `${clock(at)}: ${count} due (${jobs.join(", ")}${more})`));
  });
  const hours = [];
  for (let at = Math.ceil(begin / 3600) * 3600; at < end; at += 3600) {
    const hour = new Date(at * 1000).getHours();
    if (hour % 6 === 0) hours.push(svg("line", { class: "rule", x1: x(at), x2: x(at), y1: 0, y2: tall }));
  }
  const marks = [];
  for (let at = Math.ceil(begin / 3600) * 3600; at < end; at += 3600) {
    const date = new Date(at * 1000);
    if (date.getHours() % 6 === 0) {
      const mark = h("span", null, clock(date).slice(-5));
      mark.style.left = `${(x(at) / wide) * 100}%`;
      marks.push(mark);
    }
  }
  const all = spans.reduce((sum, span) => sum + span.count, 0);
  return h("figure", { class: "timeline" },
    svg("svg", { viewBox: `0 0 ${wide} ${tall}`, preserveAspectRatio: "none", role: "img", "aria-label": `${all} due instants in the next 24 hours` }, hours, bars),
    h("div", { class: "marks", "aria-hidden": "true" }, marks));
}

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
