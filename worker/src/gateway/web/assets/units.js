// The units of a run as a list: which of them, by state and by name, and in what order. How a run
// stands by its units is counted here too.

import { h, fill } from "./dom.js";
import { badge, look, unitWord } from "./state.js";
import { took } from "./time.js";
import { listed } from "./list.js";
import { size } from "./follow.js";

// A list that one looks over at a glance is ordered by name and needs no filter.
const FEW = 12;
// Of more, rows that change their places with every event could not be read.
const PAUSE = 300;
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
const rank = (word) => RANKS[look(word)[1]] ?? 3;

/** What went wrong first, then what runs; by name within that. */
export function ordered(units) {
  const ranks = [[], [], [], []];
  for (const unit of units) ranks[rank(unitWord(unit))].push(unit);
  // As they come they are nearly in order, which costs little then.
  return ranks.flatMap((some) => some.sort(byName));
}

/** A part of a name, or a glob for all of it. */
export function named(text) {
  return /[*?]/.test(text) ? (name) => matches(text, name) : (name) => name.includes(text);
}

/** By the last star alone: an expression would try all of them, for as long as an address wants. */
function matches(glob, name) {
  let [at, n, star, from] = [0, 0, -1, 0];
  while (n < name.length) {
    if (glob[at] === "*") [star, from] = [at++, n];
    else if (glob[at] === "?" || glob[at] === name[n]) [at, n] = [at + 1, n + 1];
    else if (star >= 0) [at, n] = [star + 1, ++from];
    else return false;
  }
  return /^\**$/.test(glob.slice(at));
}

/** `choose(unit)`: somebody wants to see it. `kept`: what the address says; `keep(what)`: puts it there. */
export function unitList({ choose, kept, keep }, signal) {
  let state = kept.state ?? "";
  let all = [];
  let newest = [];
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Units by state" });
  const name = h("input", { id: "f-unit", type: "search", "data-filter": true, placeholder: "part, or web*", value: kept.name ?? "", spellcheck: "false", autocomplete: "off", oninput: () => {
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
      { name: "Output", class: "number minor", cell: (unit) => (unit.output_bytes ? size(unit.output_bytes) : h("span", { class: "quiet" }, unit.state === "done" ? "none" : "–")) },
    ],
  }, signal);
  name.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") rows.element.querySelector("tbody button")?.focus();
  });

  // Each stays what it is while its number changes, and can be pressed meanwhile.
  const made = new Map();
  function chip(word, says, count) {
    if (!made.has(word)) {
      made.set(word, h("button", { type: "button", class: "chip", onclick: () => {
        state = state === word ? "" : word;
        keep({ state });
        draw();
      } }));
    }
    const button = made.get(word);
    button.setAttribute("aria-pressed", String(state === word));
    fill(button, says, " ", h("span", { class: "count" }, `${count}`));
    return button;
  }

  function drawChips() {
    const counts = new Map();
    for (const unit of newest) counts.set(unitWord(unit), (counts.get(unitWord(unit)) ?? 0) + 1);
    const words = [...counts.keys()];
    // What was asked for stays to be put away, even if there is none of it any more.
    if (state && state !== EARLIER && !counts.has(state)) words.push(state);
    words.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    const earlier = all.length - newest.length;
    const wanted = [chip("", "all", newest.length), ...words.map((word) => chip(word, badge(word), counts.get(word) ?? 0))];
    if (earlier || state === EARLIER) wanted.push(chip(EARLIER, EARLIER, earlier));
    chips.hidden = wanted.length < 3 && !state;
    wanted.forEach((button, at) => {
      if (chips.children[at] !== button) chips.insertBefore(button, chips.children[at] ?? null);
    });
    while (chips.childElementCount > wanted.length) chips.lastChild.remove();
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
      const wait = units.length > FEW ? Math.max(0, drawn + PAUSE - performance.now()) : 0;
      if (!wait) draw();
      else timer ||= setTimeout(draw, wait);
    },
  };
}

function earlierOf(all, newest) {
  const last = new Set(newest);
  return all.filter((unit) => !last.has(unit));
}
