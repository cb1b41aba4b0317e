// How far a run has come, and how well: a bar in segments and the words for it. A failed unit takes
// its part of the bar, but not as a good one.

import { h, svg } from "./dom.js";

const WIDE = 100;
// So much at least of what there is at all: one in ten thousand is to be seen.
const LEAST = 3;

// In the order of the bar: the word, what is counted, and the class of its colour.
const PARTS = [
  ["succeeded", ({ succeeded }) => succeeded, "good"],
  ["failed", ({ failed }) => failed, "bad"],
  ["lost", ({ lost }) => lost, "lost"],
  ["cancelled", ({ cancelled }) => cancelled, "ended"],
  ["skipped", ({ skipped }) => skipped, "ended"],
  ["running", ({ running }) => running ?? 0, "run"],
];

/** Of `units` as the API counts them; with `running`, if that is known, out of those that are open. */
export function progress({ units }) {
  if (!units.total) return h("span", { class: "quiet" }, "–");
  const parts = PARTS.map(([word, count, kind]) => ({ word, kind, count: count(units) })).filter(({ count }) => count > 0);
  const open = units.open - (units.running ?? 0);
  const [first, ...others] = parts[0]?.word === "succeeded" ? parts : [{ count: 0 }, ...parts];
  const said = others.map(({ word, count }) => `${count} ${word}`);
  const label = [`${first.count} of ${units.total} succeeded`, ...said, open > 0 && `${open} to come`].filter(Boolean).join(", ");
  return h("span", { class: "progress", "data-done": units.total - units.open },
    svg("svg", { viewBox: `0 0 ${WIDE} 8`, preserveAspectRatio: "none", role: "img", "aria-label": label }, segments(parts, units.total)),
    h("span", { "aria-hidden": "true" }, ` ${first.count} of ${units.total}`),
    others.map(({ word, kind, count }) => word !== "running" && [" ", h("span", { class: kind, "aria-hidden": "true" }, `· ${count} ${word}`)]));
}

function segments(parts, total) {
  const wide = parts.map(({ count }) => Math.max(LEAST, (count / total) * WIDE));
  // What the small ones have too much, the greatest has to give.
  const over = wide.reduce((sum, one) => sum + one, 0) - WIDE;
  if (over > 0) wide[wide.indexOf(Math.max(...wide))] -= over;
  let x = 0;
  return parts.map(({ kind }, nth) => {
    const rect = svg("rect", { class: `seg-${kind}`, x: x.toFixed(2), y: 0, width: Math.max(0, wide[nth] - (nth < parts.length - 1 ? 0.7 : 0)).toFixed(2), height: 8 });
    x += wide[nth];
    return rect;
  });
}
