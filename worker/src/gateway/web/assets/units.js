// The units of a run as a list: which of them, by state and by name, and in what order. How a run
// stands by its units is counted here too.

import { h, fill } from "./dom.js";
import { badge, look, isBad, unitWord } from "./state.js";
import { took } from "./time.js";
import { listed } from "./list.js";
import { size } from "./follow.js";

// A list that one looks over at a glance is ordered by name and needs no filter.
const FEW = 12;
// Of more, all of it is not sorted anew at every event.
const MANY = 500;
const PAUSE = 250;
const EARLIER = "earlier attempts";

/** The last attempt on each node. */
export function lastAttempts(units) {
  const last = new Map();
  for (const unit of units.values()) if (!(last.get(unit.node)?.attempt > unit.attempt)) last.set(unit.node, unit);
  return [...last.values()];
}

/** As the API counts them, and how many of the open ones run. */
export function counted(units) {
  const tally = { total: 0, succeeded: 0, failed: 0, cancelled: 0, lost: 0, skipped: 0, open: 0, running: 0 };
  for (const unit of lastAttempts(units)) {
    tally.total++;
    const word = unitWord(unit);
    if (unit.state !== "done") tally.open++;
    else tally[word in tally ? word : "failed"]++;
    if (word === "running") tally.running++;
  }
  return tally;
}

const byName = (a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : a.attempt - b.attempt);
const RANKS = { bad: 0, lost: 0, run: 1, wait: 2 };
const rank = (unit) => RANKS[look(unitWord(unit))[1]] ?? 3;

/** What went wrong first, then what runs; by name within that. */
export const ordered = (units) => units.sort((a, b) => rank(a) - rank(b) || byName(a, b));

/** A part of a name, or a glob for all of it. */
export function named(text) {
  if (!/[*?]/.test(text)) return (name) => name.includes(text);
  const glob = text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  const whole = new RegExp(`^${glob}$`);
  return (name) => whole.test(name);
}

/** `choose(unit)`: somebody wants to see it. `kept`: what the address says; `keep(what)`: puts it there. */
export function unitList({ choose, kept, keep }, signal) {
  let state = kept.state ?? "";
  let all = [];
  let newest = [];
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Units by state" });
  const name = h("input", { id: "f-unit", type: "search", "data-filter": true, placeholder: "part of a name, or web*", value: kept.name ?? "", spellcheck: "false", autocomplete: "off", oninput: () => {
    keep({ name: name.value.trim() });
    draw();
  } });
  const filter = h("div", { class: "field", hidden: true }, h("label", { for: "f-unit" }, "Node"), name);
  const rows = listed({
    label: "Units",
    key: (unit) => unit.id,
    inside: true,
    empty: "No unit is like that.",
    columns: [
      { name: "Node", class: "wide", cell: (unit) => h("button", { class: "link", type: "button", onclick: () => choose(unit) }, unit.node, unit.attempt > 1 && h("span", { class: "quiet" }, ` · attempt ${unit.attempt}`)) },
      { name: "State", class: "wide", cell: (unit) => badge(unitWord(unit), unit.summary) },
      { name: "Took", class: "number", cell: took },
      { name: "Output", class: "number minor", cell: (unit) => (unit.output_bytes ? size(unit.output_bytes) : h("span", { class: "quiet" }, "none")) },
    ],
  }, signal);
  name.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") rows.element.querySelector("tbody button")?.focus();
  });

  function chip(word, count, says) {
    const pressed = state === word;
    return h("button", { type: "button", class: "chip", "aria-pressed": String(pressed), onclick: () => {
      state = pressed ? "" : word;
      keep({ state });
      draw();
    } }, says, " ", h("span", { class: "count" }, `${count}`));
  }

  function drawChips() {
    const counts = new Map();
    for (const unit of newest) counts.set(unitWord(unit), (counts.get(unitWord(unit)) ?? 0) + 1);
    const words = [...counts.keys()].sort((a, b) => isBad(b) - isBad(a) || counts.get(a) - counts.get(b) || (a < b ? -1 : 1));
    const earlier = all.length - newest.length;
    // What was asked for stays to be put away, even if there is none of it any more.
    if (state && state !== EARLIER && !counts.has(state)) words.push(state);
    const held = chips.contains(document.activeElement) ? document.activeElement.dataset.word : undefined;
    const made = [["", newest.length, "all"], ...words.map((word) => [word, counts.get(word) ?? 0, badge(word)])];
    if (earlier || state === EARLIER) made.push([EARLIER, earlier, EARLIER]);
    chips.hidden = made.length < 3 && !state;
    fill(chips, made.map(([word, count, says]) => {
      const button = chip(word, count, says);
      button.dataset.word = word;
      return button;
    }));
    if (held !== undefined && !chips.contains(document.activeElement)) [...chips.children].find((one) => one.dataset.word === held)?.focus();
  }

  let timer = 0;
  let drawn = -Infinity;
  function draw() {
    clearTimeout(timer);
    timer = 0;
    drawn = performance.now();
    newest = lastAttempts(new Map(all.map((unit) => [unit.id, unit])));
    drawChips();
    filter.hidden = newest.length <= FEW;
    let some = state === EARLIER ? earlierOf(all, newest) : state ? newest.filter((unit) => unitWord(unit) === state) : newest;
    const text = name.value.trim();
    if (text && !filter.hidden) {
      const fits = named(text);
      some = some.filter((unit) => fits(unit.node));
    }
    rows.set(newest.length > FEW ? ordered(some) : some.sort(byName));
  }
  signal.addEventListener("abort", () => clearTimeout(timer));

  return {
    element: h("div", null, chips, filter, rows.element),
    anew: rows.anew,
    set(units) {
      all = units;
      const wait = units.length > MANY ? Math.max(0, drawn + PAUSE - performance.now()) : 0;
      if (!wait) draw();
      else timer ||= setTimeout(draw, wait);
    },
  };
}

function earlierOf(all, newest) {
  const last = new Set(newest);
  return all.filter((unit) => !last.has(unit));
}
