// States and outcomes: a word, a shape and a colour for each, so that none is told by colour alone.

import { h } from "./dom.js";

// Shape, and the class of the colour.
const LOOKS = new Map([
  ["queued", ["○", "wait"]],
  ["running", ["◐", "run"]],
  ["succeeded", ["✓", "good"]],
  ["failed", ["✗", "bad"]],
  ["signaled", ["✗", "bad"]],
  ["crashed", ["✗", "bad"]],
  ["timed out", ["⧖", "bad"]],
  ["unreachable", ["⊘", "bad"]],
  ["cancelled", ["■", "ended"]],
  ["lost", ["?", "lost"]],
  ["skipped", ["–", "none"]],
]);

/** Of any word: an address may name one that there is not. */
export const look = (word) => LOOKS.get(word) ?? ["·", "none"];

/** The word with its shape. */
export function badge(word, says) {
  const [shape, kind] = look(word);
  return h("span", { class: `state ${kind}` }, h("span", { class: "shape", "aria-hidden": "true" }, `${shape} `), says ?? word);
}

export const unitWord = (unit) => (unit.state === "done" ? unit.outcome : unit.state);

export const isOver = (run) => Boolean(run.finished_at);
export const isBad = (word) => ["bad", "lost"].includes(look(word)[1]);

/** What became of a run's units, in a few words. */
export function tally(units) {
  const parts = [["failed", units.failed], ["lost", units.lost], ["cancelled", units.cancelled], ["skipped", units.skipped]];
  const odd = parts.filter(([, count]) => count).map(([word, count]) => `${count} ${word}`);
  return [`${units.succeeded} of ${units.total}`, ...odd].join(", ");
}

// What stands in for the name of a task, or of a job.
export const FLOW = "@flow";
export const EXEC = "@exec";
