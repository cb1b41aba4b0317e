// What the units of a run wrote, beside the list of them: all of it as it comes, one node's, equal
// outputs together, or what has changed since an earlier run.

import { h, fill, section } from "./dom.js";
import { remember } from "./router.js";
import { badge, isBad, isOver, unitWord } from "./state.js";
import { ofRun, ofUnit, size } from "./follow.js";
import { alike, changed, earlier } from "./compare.js";
import { lastAttempts, ordered, unitList } from "./units.js";

// Of so many bytes in all, one looks at a node's.
const MUCH = 2e6;
// Of so many, the last lines of each node: this many lines in all, but not fewer of one than these.
const MANY = 2e5;
const LINES = 3000;
const LEAST = 3;

/** Into `main`; `run()` is the run as it is known by now, `units` all its attempts by id. */
export function panes(main, run, units, query, signal) {
  let chosen = query.get("node");
  let mode = query.get("show") ?? (chosen ? "one" : "all");
  let shown;
  let follows = false;
  let showing = new AbortController();
  signal.addEventListener("abort", () => showing.abort());

  const kept = { node: chosen, show: query.get("show"), state: query.get("state"), name: query.get("name") };
  const keep = (what) => remember(Object.assign(kept, what));
  const list = unitList({ choose, kept, keep }, signal);
  const tabs = [["all", "All nodes"], ["one", "One node"], ["alike", "Equal output"], ["compare", "Changed since the run before"]].map(([name, label]) => ({ name, button:
    h("button", { type: "button", class: "tab", onclick: () => select(name) }, label) }));
  const tab = Object.fromEntries(tabs.map(({ name, button }) => [name, button]));
  const choices = h("div", { class: "tabs", role: "group", "aria-label": "What to show" }, tabs.map(({ button }) => button));
  const pane = h("div", { class: "pane" });
  main.append(h("div", { class: "beside" },
    section("Units", list.element),
    section("Output", choices, pane)));

  // There may be none to compare with.
  tab.compare.hidden = mode !== "compare";
  earlier(run(), 1, signal).then(([before]) => {
    if (!before) return;
    fill(tab.compare, `Changed since run ${before.id}`);
    tab.compare.hidden = false;
    fit();
  }, () => {});

  /** One alone is no choice. */
  function fit() {
    choices.hidden = tabs.filter(({ button }) => !button.hidden).length < 2;
  }

  function choose(unit) {
    chosen = unit.node;
    select(mode === "compare" ? "compare" : "one", unit);
  }

  function pick() {
    const last = lastAttempts(units);
    const found = last.find((unit) => unit.node === chosen);
    return found ?? ordered(last)[0];
  }

  function select(name, unit = pick()) {
    mode = name;
    shown = unit;
    follows = unit && lastAttempts(units).includes(unit);
    const ofOne = mode === "one" || mode === "compare";
    keep({ node: ofOne && units.size > 1 ? unit?.node : "", show: mode === "all" || mode === "one" ? "" : mode });
    for (const { name: known, button } of tabs) button.setAttribute("aria-pressed", String(known === name));
    showing.abort();
    showing = new AbortController();
    // What is drawn next keeps hold of its own parts.
    pane.replaceChildren();
    const { signal: own } = showing;
    const failed = (error) => {
      if (!own.aborted) fill(pane, h("p", { class: "error" }, error.message));
    };
    if (!unit) return fill(pane, h("p", { class: "quiet" }, "There is no output."));
    if (name === "all") all(own);
    else if (name === "one") one(unit, own);
    else if (name === "alike") alike(pane, ordered(lastAttempts(units)), own).catch(failed);
    else changed(pane, run(), unit, own).catch(failed);
  }

  function all(own) {
    const sum = [...units.values()].reduce((sum, unit) => sum + unit.output_bytes, 0);
    if (sum > MUCH) return fill(pane, h("p", { class: "quiet" }, `${size(sum)} in all is more than one can read here: choose a node, or look for equal output.`));
    const tail = sum > MANY ? Math.max(LEAST, Math.floor(LINES / units.size)) : undefined;
    fill(pane, ofRun(run().id, tail, own));
  }

  function one(unit, own) {
    const others = [...units.values()].filter((other) => other.node === unit.node).sort((a, b) => a.attempt - b.attempt);
    fill(pane, h("h3", null, unit.node, " ", badge(unitWord(unit), unit.summary)),
      others.length > 1 && h("div", { class: "tabs", role: "group", "aria-label": "Attempts" }, others.map((other) =>
        h("button", { type: "button", class: "tab", "aria-pressed": String(other.id === unit.id), onclick: () => select("one", other) }, `Attempt ${other.attempt}`))),
      unit.detail && h("p", null, unit.detail),
      unit.result && unit.result !== "No output returned." && h("p", null, "Returned: ", h("code", null, unit.result)),
      ofUnit(unit, own));
  }

  const asked = query.has("show") || query.has("node");
  /** Who comes to a run that is over and went wrong looks for the reason: a node that has one. */
  const wentWrong = () => isOver(run()) && isBad(run().state) && isBad(unitWord(pick()));

  let begun = false;
  let [seen, nodes] = [-1, 0];
  return {
    anew: list.anew,
    draw() {
      const known = [...units.values()];
      list.set(known);
      if (known.length !== seen) nodes = new Set(known.map((unit) => unit.node)).size;
      seen = known.length;
      // Where there is one node, it is the whole.
      fill(tab.one, nodes > 1 ? "One node" : "Output");
      for (const name of ["all", "alike"]) tab[name].hidden = nodes < 2;
      fit();
      if (!known.length) return;
      if (!begun) {
        begun = true;
        return select(nodes < 2 && (mode === "all" || mode === "alike") ? "one" : !asked && wentWrong() ? "one" : mode);
      }
      // Whoever follows a node goes on with its next attempt.
      const next = mode === "one" && follows && known.find((unit) => unit.node === shown.node && unit.attempt > shown.attempt);
      if (next) select("one", next);
      else heading();
    },
  };

  /** How the one that is shown fares by now. */
  function heading() {
    if (mode !== "one" || !shown) return;
    const now = units.get(shown.id);
    const at = pane.querySelector("h3");
    if (now && at) fill(at, now.node, " ", badge(unitWord(now), now.summary));
  }
}
